/* What the server answers (docs/dag-api.md), and asking it. Members are Airflow's; only those used here. */

export type State = string | null;

export interface Dag {
	dag_id: string;
	is_paused: boolean;
	description: string | null;
	timetable_summary: string | null;
	timetable_description: string | null;
	next_dagrun_run_after: string | null;
	tags: { name: string }[];
	owners: string[];
	has_import_errors: boolean;
	relative_fileloc: string | null;
}

export interface Param {
	value: unknown;
	schema: { type?: string | string[]; enum?: unknown[]; title?: string; minimum?: number; maximum?: number };
	description: string | null;
}

export interface DagDetails extends Dag {
	params: Record<string, Param>;
	doc_md: string | null;
	catchup: boolean;
	timezone: string | null;
	max_active_runs: number;
}

export interface Run {
	dag_id: string;
	dag_run_id: string;
	run_type: string;
	state: string;
	logical_date: string | null;
	run_after: string;
	queued_at: string | null;
	start_date: string | null;
	end_date: string | null;
}

/* A run as lists of DAGs show it; by DAG, newest first. */
export type RecentRun = Pick<Run, "dag_run_id" | "run_type" | "state" | "run_after" | "start_date" | "end_date">;
export interface RecentRuns {
	dags: Record<string, RecentRun[]>;
}

export interface ImportError {
	import_error_id: number;
	filename: string;
	stack_trace: string;
}

export interface GridTask {
	task_id: string;
	label: string;
	group_id: string | null;
	operator: string;
	is_mapped: boolean;
	upstream: number[];
}

export interface GridGroup {
	group_id: string;
	label: string;
	parent_id: string | null;
}

/* A mapped task's cell counts its instances by state. */
export type Cell = State | Record<string, number>;

export interface GridRun extends Omit<Run, "dag_id"> {
	version: string;
	states: Cell[];
	starts: (string | null)[];
	ends: (string | null)[];
	tries: number[];
}

export interface Grid {
	dag_id: string;
	version: string;
	tasks: GridTask[];
	groups: GridGroup[];
	runs: GridRun[];
}

export interface Instance {
	task_id: string;
	dag_id: string;
	dag_run_id: string;
	map_index: number;
	state: State;
	try_number: number;
	max_tries: number;
	start_date: string | null;
	end_date: string | null;
	duration: number | null;
	operator: string | null;
	pool: string | null;
	hostname: string | null;
	pid: number | null;
	note: string | null;
	rendered_fields?: Record<string, unknown>;
	rendered_map_index?: string | null;
}

export interface LogLine {
	event: string;
	timestamp?: string;
	level?: string;
	logger?: string;
}

export const PREFIX = "/api/v2";

/* What a failed request says: the server's words where it has any. */
export class ApiError extends Error {
	constructor(
		readonly status: number,
		message: string,
	) {
		super(message);
	}
}

function detailText(body: unknown): string | null {
	const detail = (body as { detail?: unknown } | null)?.detail;
	if (typeof detail === "string") return detail;
	if (Array.isArray(detail))
		return detail
			.map((d: { loc?: unknown[]; msg?: string }) => `${(d.loc ?? []).slice(1).join(".")}: ${d.msg ?? ""}`)
			.join("; ");
	return null;
}

export async function ask<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
	let answer: Response;
	try {
		answer = await fetch(PREFIX + path, {
			method,
			signal,
			headers: body === undefined ? {} : { "Content-Type": "application/json" },
			body: body === undefined ? undefined : JSON.stringify(body),
		});
	} catch (error) {
		if (signal?.aborted) throw error;
		throw new ApiError(0, "The server does not answer.");
	}
	const text = await answer.text();
	let parsed: unknown = null;
	try {
		parsed = text ? JSON.parse(text) : null;
	} catch {
		/* said below */
	}
	if (!answer.ok) throw new ApiError(answer.status, detailText(parsed) ?? `${answer.status} ${answer.statusText}`);
	return parsed as T;
}

export const get = <T,>(path: string, signal?: AbortSignal) => ask<T>("GET", path, undefined, signal);

const part = encodeURIComponent;
export const dagPath = (dag: string) => `/dags/${part(dag)}`;
export const runPath = (dag: string, run: string) => `${dagPath(dag)}/dagRuns/${part(run)}`;
export const taskPath = (dag: string, run: string, task: string) =>
	`${runPath(dag, run)}/taskInstances/${part(task)}`;
