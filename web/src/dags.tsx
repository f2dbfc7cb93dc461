/* The list of DAGs: schedule, next run, the last runs as bars, pause and trigger. */
import { useState } from "preact/hooks";
import { ask, dagPath, type Dag, type ImportError, type RecentRun, type RecentRuns } from "./api";
import { clock, duration, relative, since, stateName } from "./format";
import { useAction, useData, useLive, useNow } from "./hooks";
import { dagUrl, go, Link, withQuery } from "./router";
import { TriggerDialog } from "./trigger";
import { Empty, Failure, StateMark, Switch } from "./ui";

const BARS = 14;
const DAGS_MAX = 1000;

export function RunBars(props: { dag: string; runs: RecentRun[]; now: number }) {
	const runs = [...props.runs].reverse();
	const longest = Math.max(1, ...runs.map((r) => since(r.start_date, r.end_date, props.now) ?? 0));
	return (
		<span class="bars">
			{runs.map((run) => {
				const ms = since(run.start_date, run.end_date, props.now);
				const label = `${run.run_type} run, ${stateName(run.state)}, ${clock(run.run_after)}, ${duration(ms)}`;
				return (
					<Link key={run.dag_run_id} to={`${dagUrl(props.dag)}?run=${encodeURIComponent(run.dag_run_id)}`} title={label}>
						<i data-state={run.state} style={{ height: `${6 + Math.round((18 * (ms ?? 0)) / longest)}px` }} />
						<span class="hidden">{label}</span>
					</Link>
				);
			})}
		</span>
	);
}

function DagRow(props: { dag: Dag; runs: RecentRun[]; now: number; onTrigger: () => void; onChanged: () => void }) {
	const { dag, runs } = props;
	const action = useAction();
	const pause = (paused: boolean) => action.run(() => ask("PATCH", dagPath(dag.dag_id), { is_paused: paused }).then(props.onChanged));
	return (
		<tr data-dag={dag.dag_id} data-paused={dag.is_paused}>
			<td>
				<Switch on={!dag.is_paused} disabled={action.busy} label={dag.is_paused ? `Unpause ${dag.dag_id}` : `Pause ${dag.dag_id}`} onChange={(on) => pause(!on)} />
			</td>
			<th scope="row">
				<Link to={dagUrl(dag.dag_id)}>{dag.dag_id}</Link>
				{dag.tags.map((t) => (
					<span class="tag" key={t.name}>
						{t.name}
					</span>
				))}
				{dag.description && <small>{dag.description}</small>}
				{action.failure && <small class="bad">{action.failure}</small>}
			</th>
			<td>
				{dag.timetable_summary ? <code title={dag.timetable_description ?? undefined}>{dag.timetable_summary}</code> : <span class="faint">by hand</span>}
			</td>
			<td title={dag.next_dagrun_run_after ?? undefined}>
				{dag.is_paused ? <span class="faint">paused</span> : dag.next_dagrun_run_after ? relative(dag.next_dagrun_run_after, props.now) : <span class="faint">–</span>}
			</td>
			<td>
				{runs[0] ? (
					<>
						<StateMark state={runs[0].state} text /> <span class="faint">{relative(runs[0].run_after, props.now)}</span>
					</>
				) : (
					<span class="faint">no runs yet</span>
				)}
			</td>
			<td>
				<RunBars dag={dag.dag_id} runs={runs} now={props.now} />
			</td>
			<td class="right">
				<button type="button" onClick={props.onTrigger} aria-label={`Trigger ${dag.dag_id}`}>
					▶ Trigger
				</button>
			</td>
		</tr>
	);
}

function ImportErrors({ errors }: { errors: ImportError[] }) {
	return (
		<details class="failure">
			<summary>
				<b>{errors.length === 1 ? "One file does not load" : `${errors.length} files do not load`}</b>
			</summary>
			{errors.map((e) => (
				<div key={e.import_error_id}>
					<code>{e.filename}</code>
					<pre>{e.stack_trace}</pre>
				</div>
			))}
		</details>
	);
}

const FILTERS = ["all", "active", "paused", "running", "failed"] as const;
type Filter = (typeof FILTERS)[number];

function fits(dag: Dag, runs: RecentRun[], filter: Filter, word: string): boolean {
	if (word && !`${dag.dag_id} ${dag.tags.map((t) => t.name).join(" ")}`.toLowerCase().includes(word.toLowerCase())) return false;
	if (filter === "active" || filter === "paused") return dag.is_paused === (filter === "paused");
	if (filter === "running") return runs.some((r) => r.state === "running" || r.state === "queued");
	if (filter === "failed") return runs[0]?.state === "failed";
	return true;
}

export function DagList({ query }: { query: URLSearchParams }) {
	const dags = useData<{ dags: Dag[]; total_entries: number }>(`/dags?limit=${DAGS_MAX}&order_by=dag_id`);
	const runs = useData<RecentRuns>(`/recentRuns?limit=${BARS}`);
	const errors = useData<{ import_errors: ImportError[] }>("/importErrors?limit=50");
	const [triggering, setTriggering] = useState<string | null>(null);
	const byDag = runs.data?.dags ?? {};
	const running = Object.values(byDag).some((list) => list.some((r) => r.state === "running"));
	const now = useNow(running);
	useLive("", (e) => {
		if (e.kind !== "dag" && e.kind !== "task_instance") runs.reload();
		if (e.kind !== "task_instance") {
			dags.reload();
			errors.reload();
		}
	});

	const word = query.get("search") ?? "";
	const filter = (query.get("show") ?? "all") as Filter;
	const all = dags.data?.dags ?? [];
	const shown = all.filter((d) => fits(d, byDag[d.dag_id] ?? [], filter, word));

	return (
		<section>
			<div class="bar">
				<h1>
					DAGs {dags.data && <span class="faint">{dags.data.total_entries}</span>}
				</h1>
				<input type="search" aria-label="Search DAGs and tags" placeholder="Search DAGs and tags" value={word} onInput={(e) => go(withQuery({ search: e.currentTarget.value || null }), true)} />
				<div class="pick" role="group" aria-label="Which DAGs">
					{FILTERS.map((f) => (
						<button type="button" key={f} aria-pressed={f === filter} onClick={() => go(withQuery({ show: f === "all" ? null : f }), true)}>
							{f}
						</button>
					))}
				</div>
			</div>
			<Failure error={dags.error} what={dags.data ? "This is what was last known." : "The DAGs cannot be shown."} retry={dags.reload} />
			{errors.data && errors.data.import_errors.length > 0 && <ImportErrors errors={errors.data.import_errors} />}
			{dags.data && all.length === 0 && (
				<Empty title="No DAGs yet">
					<p>
						A file in the project's <code>dags/</code> folder shows up here as soon as it is saved:
					</p>
					<pre>{`hello:\n  schedule: '@daily'\n  start_date: 2026-01-01\n  tasks:\n    greet: {operator: BashOperator, bash_command: "echo hello"}`}</pre>
				</Empty>
			)}
			{all.length > 0 && shown.length === 0 && (
				<Empty title="None of the DAGs fits">
					<button type="button" onClick={() => go("/dags", true)}>
						Show all
					</button>
				</Empty>
			)}
			{shown.length > 0 && (
				<div class="card scroll">
					<table class="list">
						<thead>
							<tr>
								<th scope="col">
									<span class="hidden">Active</span>
								</th>
								<th scope="col">DAG</th>
								<th scope="col">Schedule</th>
								<th scope="col">Next run</th>
								<th scope="col">Last run</th>
								<th scope="col">Runs</th>
								<th scope="col">
									<span class="hidden">Trigger</span>
								</th>
							</tr>
						</thead>
						<tbody>
							{shown.map((dag) => (
								<DagRow key={dag.dag_id} dag={dag} runs={byDag[dag.dag_id] ?? []} now={now} onTrigger={() => setTriggering(dag.dag_id)} onChanged={dags.reload} />
							))}
						</tbody>
					</table>
				</div>
			)}
			{triggering && <TriggerDialog dag={triggering} onClose={() => setTriggering(null)} />}
		</section>
	);
}
