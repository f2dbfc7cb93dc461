/* The rows of grid and gantt: tasks in their order, those of a group together below its name. Pure. */
import type { Cell, Grid } from "./api";

export interface Row {
	id: string;
	label: string;
	depth: number;
	tasks: number[]; /* indices into grid.tasks; one, unless it is a group */
	isGroup: boolean;
}

export function makeRows(grid: Grid, closed: ReadonlySet<string>): Row[] {
	const parents = new Map(grid.groups.map((g) => [g.group_id, g.parent_id]));
	const labels = new Map(grid.groups.map((g) => [g.group_id, g.label]));
	/* A group stands where the first of its tasks would. */
	interface Node {
		task: number;
		group: string | null;
		children: Node[];
	}
	const root: Node = { task: -1, group: null, children: [] };
	const nodes = new Map<string, Node>();
	const nodeOf = (group: string | null): Node => {
		if (group === null) return root;
		const known = nodes.get(group);
		if (known) return known;
		const node: Node = { task: -1, group, children: [] };
		nodes.set(group, node);
		nodeOf(parents.get(group) ?? null).children.push(node);
		return node;
	};
	grid.tasks.forEach((t, i) => nodeOf(t.group_id).children.push({ task: i, group: null, children: [] }));

	const rows: Row[] = [];
	const tasksOf = (node: Node): number[] => (node.group === null ? [node.task] : node.children.flatMap(tasksOf));
	const put = (node: Node, depth: number) => {
		if (node.group === null) {
			const task = grid.tasks[node.task];
			if (task) rows.push({ id: task.task_id, label: task.label, depth, tasks: [node.task], isGroup: false });
			return;
		}
		rows.push({ id: node.group, label: labels.get(node.group) ?? node.group, depth, tasks: tasksOf(node), isGroup: true });
		if (!closed.has(node.group)) for (const child of node.children) put(child, depth + 1);
	};
	for (const child of root.children) put(child, 0);
	return rows;
}

/* What a row shows of a run: a task's cell, or how many of a group's instances are in each state. */
export function rowCell(row: Row, states: Cell[]): Cell {
	if (!row.isGroup) return states[row.tasks[0] ?? 0] ?? null;
	const counts: Record<string, number> = {};
	for (const t of row.tasks) {
		const cell = states[t] ?? null;
		if (cell === null) continue;
		for (const [state, n] of typeof cell === "string" ? [[cell, 1] as const] : Object.entries(cell)) counts[state] = (counts[state] ?? 0) + n;
	}
	return Object.keys(counts).length ? counts : null;
}
