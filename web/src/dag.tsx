/* The page of one DAG: grid, graph or gantt on the left, what is chosen on the right. */
import { useState } from "preact/hooks";
import { ask, dagPath, type DagDetails, type Grid } from "./api";
import { relative } from "./format";
import { GanttView } from "./gantt";
import { GraphView } from "./graph";
import { GridView } from "./grid";
import { useAction, useData, useLive, useNow } from "./hooks";
import { RunPanel, TaskPanel } from "./panel";
import { go, Link, withQuery } from "./router";
import { TriggerDialog } from "./trigger";
import { Empty, Failure, Switch, Tabs } from "./ui";

const VIEWS = ["grid", "graph", "gantt"] as const;
type ViewName = (typeof VIEWS)[number];
const LIMITS = [25, 50, 100, 365];

function Head(props: { dag: string; details: DagDetails | null; now: number; onTrigger: () => void; onChanged: () => void }) {
	const { dag, details } = props;
	const action = useAction();
	const pause = (paused: boolean) => action.run(() => ask("PATCH", dagPath(dag), { is_paused: paused }).then(props.onChanged));
	return (
		<div class="bar">
			<h1>
				<Link to="/dags" class="faint">
					DAGs
				</Link>{" "}
				<span class="faint">/</span> {dag}
			</h1>
			{details && (
				<>
					<Switch on={!details.is_paused} disabled={action.busy} label={details.is_paused ? `Unpause ${dag}` : `Pause ${dag}`} onChange={(on) => pause(!on)} />
					<span class="faint">
						{details.timetable_summary ? <code title={details.timetable_description ?? undefined}>{details.timetable_summary}</code> : "by hand"}
						{details.is_paused ? " · paused" : details.next_dagrun_run_after && ` · next ${relative(details.next_dagrun_run_after, props.now)}`}
					</span>
				</>
			)}
			{action.failure && <span class="bad">{action.failure}</span>}
			<span class="grow" />
			<button type="button" class="main" disabled={!details} onClick={props.onTrigger}>
				▶ Trigger
			</button>
		</div>
	);
}

const number = (text: string | null) => (text === null || !/^\d+$/.test(text) ? null : Number(text));

export function DagPage({ dag, query }: { dag: string; query: URLSearchParams }) {
	const limit = number(query.get("runs")) ?? 25;
	const details = useData<DagDetails>(`${dagPath(dag)}/details`);
	const grid = useData<Grid>(`/grid?dag_id=${encodeURIComponent(dag)}&limit=${limit}`);
	const [stamp, setStamp] = useState(0);
	const [triggering, setTriggering] = useState(false);
	const refresh = () => {
		grid.reload();
		setStamp((n) => n + 1);
	};
	useLive(`?dag_id=${encodeURIComponent(dag)}`, (e) => {
		refresh();
		if (e.kind !== "dag_run" && e.kind !== "task_instance") details.reload();
	});
	const runs = grid.data?.runs ?? [];
	const now = useNow(runs.some((r) => r.state === "running"));
	if (grid.error?.status === 404)
		return (
			<Empty title={`There is no DAG ${dag}`}>
				<p>{grid.error.message}</p>
				<Link to="/dags">All DAGs</Link>
			</Empty>
		);

	const view = (VIEWS as readonly string[]).includes(query.get("view") ?? "") ? (query.get("view") as ViewName) : "grid";
	const selection = { run: query.get("run"), task: query.get("task") };
	const run = runs.find((r) => r.dag_run_id === selection.run) ?? null;
	const shownRun = run ?? runs[0] ?? null;
	const index = grid.data?.tasks.findIndex((t) => t.task_id === selection.task) ?? -1;
	const task = grid.data?.tasks[index] ?? null;
	const pick = (runId: string | null, taskId: string | null) => go(withQuery({ run: runId, task: taskId, map: null, try: null }));
	const pickTask = (taskId: string) => shownRun && pick(shownRun.dag_run_id, taskId);

	return (
		<section>
			<Head dag={dag} details={details.data} now={now} onTrigger={() => setTriggering(true)} onChanged={details.reload} />
			<Failure error={grid.error} what={grid.data ? "This is what was last known." : "The DAG cannot be shown."} retry={grid.reload} />
			{grid.data && (
				<>
					<div class="bar">
						<Tabs label="Views of the DAG" names={VIEWS} current={view} onPick={(name) => go(withQuery({ view: name === "grid" ? null : name }), true)} />
						{view === "grid" ? (
							<select aria-label="How many runs" onChange={(e) => go(withQuery({ runs: e.currentTarget.value }), true)}>
								{LIMITS.map((n) => (
									<option key={n} value={n} selected={n === limit}>
										last {n} runs
									</option>
								))}
							</select>
						) : (
							<select aria-label="Which run" onChange={(e) => pick(e.currentTarget.value || null, selection.task)}>
								{runs.map((r) => (
									<option key={r.dag_run_id} value={r.dag_run_id} selected={r === shownRun}>
										{r.dag_run_id}
									</option>
								))}
							</select>
						)}
						{runs.length === 0 && <span class="faint">It has not run yet.</span>}
					</div>
					<div class="split" data-open={run !== null}>
						{view === "grid" && <GridView grid={grid.data} selection={selection} now={now} onPick={pick} />}
						{view === "graph" && <GraphView grid={grid.data} run={shownRun} task={selection.task} onPick={pickTask} />}
						{view === "gantt" && <GanttView grid={grid.data} run={shownRun} task={selection.task} now={now} onPick={pickTask} />}
						{run && task && (
							<TaskPanel
								key={`${run.dag_run_id} ${task.task_id}`}
								dag={dag}
								run={run}
								task={task}
								index={index}
								map={task.is_mapped ? number(query.get("map")) : null}
								attempt={number(query.get("try"))}
								stamp={stamp}
								now={now}
								onPick={(c) =>
									go(
										withQuery({
											...(c.map === undefined ? {} : { map: c.map === null ? null : String(c.map) }),
											...(c.try === undefined ? {} : { try: c.try === null ? null : String(c.try) }),
										}),
									)
								}
								onChanged={refresh}
								onClose={() => pick(null, null)}
							/>
						)}
						{run && !task && <RunPanel key={run.dag_run_id} dag={dag} run={run} stamp={stamp} now={now} onChanged={refresh} onClose={() => pick(null, null)} />}
					</div>
				</>
			)}
			{triggering && <TriggerDialog dag={dag} onClose={() => setTriggering(false)} />}
		</section>
	);
}
