/* Runs × tasks: a column a run, oldest first, a row a task. Arrow keys walk through the cells. */
import { useMemo, useState } from "preact/hooks";
import type { Cell, Grid, GridRun } from "./api";
import { cellState, cellText, clock, duration, since, stateName } from "./format";
import { makeRows, rowCell, type Row } from "./rows";
import { VirtualRows } from "./virtual";

const ROW_PX = 26;
const BAR_PX = 64;

export interface Selection {
	run: string | null;
	task: string | null;
}

function CellBox(props: { cell: Cell; row: Row; run: GridRun; at: string; reachable: boolean; chosen: boolean; onPick: () => void }) {
	const { cell, row, run } = props;
	const state = cellState(cell);
	const label = `${row.label}, run of ${clock(run.run_after)}: ${cellText(cell)}`;
	const counts = cell !== null && typeof cell === "object" ? Object.values(cell) : null;
	const total = counts?.reduce((a, b) => a + b, 0) ?? 0;
	return (
		<button type="button" class="cell" role="gridcell" data-at={props.at} data-state={state ?? "none"} data-chosen={props.chosen} tabIndex={props.reachable ? 0 : -1} title={label} aria-label={label} onClick={props.onPick}>
			{!row.isGroup && total > 1 ? (total > 99 ? "99+" : total) : ""}
		</button>
	);
}

function RunBar(props: { run: GridRun; longest: number; now: number; chosen: boolean; onPick: () => void }) {
	const ms = since(props.run.start_date, props.run.end_date, props.now);
	const label = `${props.run.run_type} run, ${stateName(props.run.state)}, ${clock(props.run.run_after)}, ${duration(ms)}`;
	return (
		<button type="button" class="runbar" data-chosen={props.chosen} data-run={props.run.dag_run_id} title={label} aria-label={label} aria-pressed={props.chosen} onClick={props.onPick}>
			<i data-state={props.run.state} style={{ height: `${5 + Math.round(((BAR_PX - 8) * (ms ?? 0)) / props.longest)}px` }} />
			{props.run.run_type !== "scheduled" && <span aria-hidden="true">{props.run.run_type === "manual" ? "▸" : props.run.run_type === "backfill" ? "↺" : "◆"}</span>}
		</button>
	);
}

/* Moves the focus; the neighbour is there, as the rows beyond the edge are. */
function walk(e: KeyboardEvent) {
	const step: Record<string, [number, number]> = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
	const by = step[e.key];
	const at = (e.target as HTMLElement).dataset.at?.split(":").map(Number);
	if (!by || !at) return;
	e.preventDefault();
	const next = `${(at[0] ?? 0) + by[0]}:${(at[1] ?? 0) + by[1]}`;
	(e.currentTarget as HTMLElement).querySelector<HTMLElement>(`[data-at="${next}"]`)?.focus();
}

export function GridView(props: { grid: Grid; selection: Selection; now: number; onPick: (run: string | null, task: string | null) => void }) {
	const { grid, selection, onPick } = props;
	const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
	const rows = useMemo(() => makeRows(grid, closed), [grid, closed]);
	const runs = useMemo(() => [...grid.runs].reverse(), [grid]);
	const longest = Math.max(1, ...runs.map((r) => since(r.start_date, r.end_date, props.now) ?? 0));
	const toggle = (id: string) => {
		const next = new Set(closed);
		if (!next.delete(id)) next.add(id);
		setClosed(next);
	};
	const chosenRow = rows.findIndex((r) => r.id === selection.task);
	const chosenColumn = runs.findIndex((r) => r.dag_run_id === selection.run);
	const reachable = `${Math.max(0, chosenRow)}:${chosenColumn < 0 ? runs.length - 1 : chosenColumn}`;
	return (
		<div class="card grid" onKeyDown={walk}>
			<VirtualRows
				count={rows.length}
				height={ROW_PX}
				role="grid"
				label="Runs and tasks"
				head={
					<div class="row head" role="row">
						<span class="name faint">{duration(longest)} at most</span>
						{runs.map((run) => (
							<RunBar key={run.dag_run_id} run={run} longest={longest} now={props.now} chosen={run.dag_run_id === selection.run} onPick={() => onPick(run.dag_run_id, null)} />
						))}
					</div>
				}
				row={(r) => {
					const row = rows[r] as Row;
					return (
						<div class="row" role="row" key={row.id} data-chosen={r === chosenRow}>
							<span class="name" role="rowheader" title={row.id} style={{ paddingLeft: `${12 + 14 * row.depth}px` }}>
								{row.isGroup ? (
									<button type="button" class="quiet" aria-expanded={!closed.has(row.id)} onClick={() => toggle(row.id)}>
										{closed.has(row.id) ? "▸" : "▾"} {row.label}
									</button>
								) : (
									row.label
								)}
								{!row.isGroup && grid.tasks[row.tasks[0] ?? 0]?.is_mapped && <span class="faint"> [ ]</span>}
							</span>
							{runs.map((run, c) => (
								<CellBox key={run.dag_run_id} row={row} run={run} cell={rowCell(row, run.states)} at={`${r}:${c}`} reachable={`${r}:${c}` === reachable} chosen={r === chosenRow && c === chosenColumn} onPick={() => (row.isGroup ? onPick(run.dag_run_id, null) : onPick(run.dag_run_id, row.id))} />
							))}
						</div>
					);
				}}
			/>
		</div>
	);
}
