/* The DAG as a graph; its nodes wear the states of the chosen run. */
import { useMemo } from "preact/hooks";
import type { Grid, GridRun } from "./api";
import { cellState, cellText } from "./format";
import { placeGraph } from "./layout";

const SIZE = { width: 168, height: 40, gapX: 52, gapY: 14 };
const PAD = 16;
const LABEL_MAX = 21;

const cut = (text: string, most: number) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function line(points: [number, number][]): string {
	let path = "";
	points.forEach(([x, y], i) => {
		const last = points[i - 1];
		if (!last) path = `M${x} ${y}`;
		else if (last[1] === y) path += `H${x}`;
		else path += `C${(last[0] + x) / 2} ${last[1]} ${(last[0] + x) / 2} ${y} ${x} ${y}`;
	});
	return path;
}

export function GraphView(props: { grid: Grid; run: GridRun | null; task: string | null; onPick: (task: string) => void }) {
	const { grid, run } = props;
	const upstream = JSON.stringify(grid.tasks.map((t) => t.upstream));
	const placed = useMemo(() => placeGraph(JSON.parse(upstream) as number[][], SIZE), [upstream]);
	return (
		<div class="card scroll graph">
			<svg width={placed.width + 2 * PAD} height={placed.height + 2 * PAD} viewBox={`${-PAD} ${-PAD} ${placed.width + 2 * PAD} ${placed.height + 2 * PAD}`} role="group" aria-label="Tasks and what they wait for">
				{placed.edges.map((e) => (
					<path key={`${e.from}-${e.to}`} class="edge" d={line(e.points)} />
				))}
				{grid.tasks.map((task, i) => {
					const cell = run?.states[i] ?? null;
					const pick = () => props.onPick(task.task_id);
					return (
						<g
							key={task.task_id}
							class="node"
							role="button"
							tabIndex={0}
							data-state={cellState(cell) ?? "none"}
							data-chosen={task.task_id === props.task}
							aria-label={`${task.task_id}: ${cellText(cell)}`}
							transform={`translate(${placed.x[i]} ${placed.y[i]})`}
							onClick={pick}
							onKeyDown={(e) => {
								if (e.key !== "Enter" && e.key !== " ") return;
								e.preventDefault();
								pick();
							}}
						>
							<title>{`${task.task_id} (${task.operator}): ${cellText(cell)}`}</title>
							<rect width={SIZE.width} height={SIZE.height} rx={8} />
							<rect class="side" x={7} y={9} width={4} height={SIZE.height - 18} rx={2} />
							<text x={19} y={17}>{cut(task.label, LABEL_MAX) + (task.is_mapped ? " [ ]" : "")}</text>
							<text x={19} y={31} class="small">{cut(cell && typeof cell === "object" ? cellText(cell) : task.operator, LABEL_MAX + 4)}</text>
						</g>
					);
				})}
			</svg>
		</div>
	);
}
