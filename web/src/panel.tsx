/* What is chosen in a DAG's page: a run, or a task of a run with its tries, log and buttons. */
import { useState } from "preact/hooks";
import { ask, dagPath, runPath, taskPath, type GridRun, type GridTask, type Instance, type Run } from "./api";
import { cellText, clock, duration, since } from "./format";
import { useAction, useData } from "./hooks";
import { LogTail } from "./log";
import { MappedList } from "./mapped";
import { Dialog, Failure, StateMark } from "./ui";

function Facts(props: { facts: [string, string | number | null | undefined][] }) {
	return (
		<dl>
			{props.facts
				.filter(([, value]) => value !== null && value !== undefined && value !== "")
				.map(([name, value]) => (
					<div key={name}>
						<dt>{name}</dt>
						<dd>{value}</dd>
					</div>
				))}
		</dl>
	);
}

interface Cleared {
	task_instances: { task_id: string; map_index: number; state: string | null }[];
	total_entries: number;
}

/* Says what would run again before it does. */
function ClearDialog(props: { dag: string; run: string; task: string; map: number | null; onClose: () => void; onDone: () => void }) {
	const [options, setOptions] = useState({ include_downstream: true, include_upstream: false, only_failed: false });
	const [wanted, setWanted] = useState<Cleared | null>(null);
	const [askedFor, setAskedFor] = useState("");
	const look = useAction();
	const clear = useAction();
	const body = (dry: boolean) => ({
		dry_run: dry,
		dag_run_id: props.run,
		task_ids: [props.map === null ? props.task : [props.task, props.map]],
		...options,
	});
	const key = JSON.stringify(options);
	if (askedFor !== key && !look.busy) {
		setAskedFor(key);
		look.run(async () => setWanted(await ask<Cleared>("POST", `${dagPath(props.dag)}/clearTaskInstances`, body(true))));
	}
	const names: [keyof typeof options, string][] = [
		["include_downstream", "and what comes after it"],
		["include_upstream", "and what comes before it"],
		["only_failed", "only what has failed"],
	];
	return (
		<Dialog title={`Clear ${props.task}${props.map === null ? "" : ` [${props.map}]`}`} onClose={props.onClose}>
			<p>Cleared tasks run again in this run; their earlier tries and logs stay.</p>
			{names.map(([name, label]) => (
				<label class="check" key={name}>
					<input type="checkbox" checked={options[name]} onChange={(e) => setOptions({ ...options, [name]: e.currentTarget.checked })} /> {label}
				</label>
			))}
			{wanted && (
				<p class="affected" role="status">
					<b>{wanted.total_entries === 1 ? "1 task instance" : `${wanted.total_entries} task instances`}</b>
					{wanted.total_entries > 0 && `: ${[...new Set(wanted.task_instances.map((t) => t.task_id))].slice(0, 12).join(", ")}`}
				</p>
			)}
			{(look.failure ?? clear.failure) && (
				<p class="bad" role="alert">
					{look.failure ?? clear.failure}
				</p>
			)}
			<footer>
				<button type="button" onClick={props.onClose}>
					Cancel
				</button>
				<button
					type="button"
					class="main"
					disabled={clear.busy || !wanted?.total_entries}
					onClick={() =>
						clear.run(async () => {
							await ask("POST", `${dagPath(props.dag)}/clearTaskInstances`, body(false));
							props.onDone();
							props.onClose();
						})
					}
				>
					Clear
				</button>
			</footer>
		</Dialog>
	);
}

/* ---- a run ---- */

export function RunPanel(props: { dag: string; run: GridRun; stamp: number; now: number; onChanged: () => void; onClose: () => void }) {
	const { run } = props;
	const path = runPath(props.dag, run.dag_run_id);
	const more = useData<Run & { conf: Record<string, unknown>; note: string | null; triggered_by: string | null }>(path);
	const action = useAction();
	const change = (fn: () => Promise<unknown>) => action.run(() => fn().then(props.onChanged));
	const clear = (onlyFailed: boolean) => change(() => ask("POST", `${path}/clear`, { dry_run: false, only_failed: onlyFailed }));
	const conf = more.data && Object.keys(more.data.conf ?? {}).length ? JSON.stringify(more.data.conf, null, 2) : null;
	return (
		<aside class="card panel" aria-label="The chosen run">
			<header>
				<div>
					<small class="faint">{run.run_type} run</small>
					<h2 class="id">{run.dag_run_id}</h2>
				</div>
				<button type="button" class="quiet" aria-label="Close" onClick={props.onClose}>
					✕
				</button>
			</header>
			<div class="actions">
				<StateMark state={run.state} text />
				<span class="grow" />
				<button type="button" disabled={action.busy} onClick={() => clear(false)}>
					↻ Clear
				</button>
				<button type="button" disabled={action.busy || run.state !== "failed"} onClick={() => clear(true)}>
					↻ Clear failed
				</button>
				<button type="button" disabled={action.busy || run.state === "success"} onClick={() => change(() => ask("PATCH", path, { state: "success" }))}>
					Mark success
				</button>
				<button type="button" disabled={action.busy || run.state === "failed"} onClick={() => change(() => ask("PATCH", path, { state: "failed" }))}>
					Mark failed
				</button>
			</div>
			{action.failure && (
				<p class="bad pad" role="alert">
					{action.failure}
				</p>
			)}
			<Facts
				facts={[
					["Logical date", run.logical_date && clock(run.logical_date)],
					["Run after", clock(run.run_after)],
					["Started", clock(run.start_date)],
					["Ended", run.end_date && clock(run.end_date)],
					["Duration", duration(since(run.start_date, run.end_date, props.now))],
					["Triggered by", more.data?.triggered_by],
					["DAG version", run.version.slice(0, 12)],
					["Note", more.data?.note],
				]}
			/>
			{conf && (
				<div class="pad">
					<small class="faint">Conf</small>
					<pre class="code">{conf}</pre>
				</div>
			)}
		</aside>
	);
}

/* ---- a task ---- */

interface TaskPanelProps {
	dag: string;
	run: GridRun;
	task: GridTask;
	index: number;
	map: number | null;
	attempt: number | null;
	stamp: number; /* changes when something of the run has */
	now: number;
	onPick: (changes: { map?: number | null; try?: number | null }) => void;
	onChanged: () => void;
	onClose: () => void;
}

function InstanceView(props: TaskPanelProps & { path: string; mapIndex: number }) {
	const ti = useData<Instance>(props.path);
	const tries = useData<{ task_instances: Instance[] }>(`${props.path}/tries`);
	const seen = useState({ stamp: props.stamp })[0];
	if (seen.stamp !== props.stamp) {
		seen.stamp = props.stamp;
		ti.reload();
		tries.reload();
	}
	if (!ti.data) return ti.error ? <Failure error={ti.error} what="The task instance cannot be shown." retry={ti.reload} /> : <p class="faint pad">Loading…</p>;
	const t = ti.data;
	const numbers = [...new Set([...(tries.data?.task_instances ?? []).map((x) => x.try_number), t.try_number])].filter((n) => n > 0).sort((a, b) => a - b);
	const attempt = props.attempt !== null && numbers.includes(props.attempt) ? props.attempt : t.try_number;
	const shown = tries.data?.task_instances.find((x) => x.try_number === attempt) ?? t;
	return (
		<>
			<Facts
				facts={[
					["State", t.state?.replaceAll("_", " ") ?? "no status"],
					["Started", clock(shown.start_date)],
					["Ended", shown.end_date && clock(shown.end_date)],
					["Duration", duration(since(shown.start_date, shown.end_date, props.now))],
					["Tries", `${t.try_number} of ${t.max_tries + 1}`],
					["Operator", t.operator],
					["Pool", t.pool],
					["Process", shown.pid],
					["Note", t.note],
				]}
			/>
			{numbers.length > 1 && (
				<div class="pick pad" role="group" aria-label="Tries">
					{numbers.map((n) => (
						<button type="button" key={n} aria-pressed={n === attempt} onClick={() => props.onPick({ try: n === t.try_number ? null : n })}>
							Try {n}
						</button>
					))}
				</div>
			)}
			{attempt > 0 ? <LogTail key={`${props.mapIndex} ${attempt}`} dag={props.dag} run={props.run.dag_run_id} task={props.task.task_id} map={props.mapIndex} attempt={attempt} /> : <p class="faint pad">It has not been tried: there is no log.</p>}
		</>
	);
}

export function TaskPanel(props: TaskPanelProps) {
	const { task, run } = props;
	const cell = run.states[props.index] ?? null;
	const whole = taskPath(props.dag, run.dag_run_id, task.task_id);
	const [clearing, setClearing] = useState(false);
	const action = useAction();
	const path = props.map === null ? whole : `${whole}/${props.map}`;
	const mark = (state: string) => action.run(() => ask("PATCH", path, { new_state: state }).then(props.onChanged));
	const isOverview = task.is_mapped && props.map === null;
	return (
		<aside class="card panel" aria-label="The chosen task">
			<header>
				<div>
					<small class="faint">{clock(run.run_after)}</small>
					<h2 class="id">
						{task.task_id}
						{props.map !== null && <span class="faint"> [{props.map}]</span>}
					</h2>
				</div>
				<button type="button" class="quiet" aria-label="Close" onClick={props.onClose}>
					✕
				</button>
			</header>
			<div class="actions">
				{isOverview ? <span>{cellText(cell)}</span> : props.map === null ? <StateMark state={typeof cell === "string" ? cell : null} text /> : (
					<button type="button" class="quiet" onClick={() => props.onPick({ map: null, try: null })}>
						‹ all instances
					</button>
				)}
				<span class="grow" />
				<button type="button" onClick={() => setClearing(true)}>
					↻ Clear
				</button>
				<button type="button" disabled={action.busy || cell === "success"} onClick={() => mark("success")}>
					Mark success
				</button>
				<button type="button" disabled={action.busy || cell === "failed"} onClick={() => mark("failed")}>
					Mark failed
				</button>
			</div>
			{action.failure && (
				<p class="bad pad" role="alert">
					{action.failure}
				</p>
			)}
			{isOverview ? (
				<MappedList dag={props.dag} run={run.dag_run_id} task={task.task_id} chosen={props.map} stamp={props.stamp} now={props.now} onPick={(map) => props.onPick({ map, try: null })} />
			) : (
				<InstanceView key={path} {...props} path={path} mapIndex={props.map ?? -1} />
			)}
			{clearing && <ClearDialog dag={props.dag} run={run.dag_run_id} task={task.task_id} map={props.map} onClose={() => setClearing(false)} onDone={props.onChanged} />}
		</aside>
	);
}

