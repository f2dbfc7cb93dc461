/* When the tasks of a run ran. Of a mapped task: from its first start to its last end. */
import { useMemo } from "preact/hooks";
import type { Grid, GridRun } from "./api";
import { cellState, cellText, clock, duration, since } from "./format";
import { makeRows, type Row } from "./rows";
import { Empty } from "./ui";
import { VirtualRows } from "./virtual";

const ROW_PX = 26;
const TICKS = [0, 0.25, 0.5, 0.75, 1];

export function GanttView(props: { grid: Grid; run: GridRun | null; task: string | null; now: number; onPick: (task: string) => void }) {
	const { grid, run } = props;
	const rows = useMemo(() => makeRows(grid, new Set()).filter((r) => !r.isGroup), [grid]);
	if (!run) return <Empty title="No run to look at yet" />;
	const times = (list: (string | null)[]) => list.flatMap((t) => (t ? [Date.parse(t)] : []));
	const starts = times(run.starts);
	if (!starts.length) return <Empty title="Nothing of this run has started" />;
	const from = Math.min(...starts);
	const to = Math.max(from + 1, run.end_date ? Math.max(...times(run.ends), from) : props.now);
	const share = (ms: number) => `${Math.max(0, Math.min(100, (100 * ms) / (to - from)))}%`;
	return (
		<div class="card gantt">
			<VirtualRows
				count={rows.length}
				height={ROW_PX}
				role="list"
				label="When each task ran"
				head={
					<div class="row head">
						<span class="name faint">{clock(run.start_date)}</span>
						<span class="track">
							{TICKS.map((t) => (
								<span key={t} class="tick" style={{ left: `${100 * t}%` }}>
									{duration(t * (to - from))}
								</span>
							))}
						</span>
					</div>
				}
				row={(r) => {
					const row = rows[r] as Row;
					const i = row.tasks[0] ?? 0;
					const start = run.starts[i] ?? null;
					const end = run.ends[i] ?? null;
					const cell = run.states[i] ?? null;
					const ms = since(start, end, props.now);
					return (
						<div class="row" role="listitem" key={row.id} data-chosen={row.id === props.task}>
							<span class="name" title={row.id}>
								{row.label}
							</span>
							<span class="track">
								{start && ms !== null && (
									<button type="button" class="span" data-state={cellState(cell) ?? "none"} title={`${row.id}: ${cellText(cell)}, ${duration(ms)}`} aria-label={`${row.id}: ${cellText(cell)}, ${duration(ms)}`} style={{ left: share(Date.parse(start) - from), width: share(ms) }} onClick={() => props.onPick(row.id)} />
								)}
							</span>
						</div>
					);
				}}
			/>
		</div>
	);
}
