/* Places a graph's nodes in layers, left to right. Pure.
 *
 * A node's layer is its longest way from a source; an edge that spans several layers gets a point in each,
 * so that lines go around nodes. Within its layer a node moves toward the mean of its neighbours, forth and
 * back a few times (the barycentre method of Sugiyama, Tagawa and Toda, 1981). */

export interface Placed {
	x: number[]; /* of each node, its left edge */
	y: number[]; /* its top edge */
	edges: { from: number; to: number; points: [number, number][] }[];
	width: number;
	height: number;
}

export interface Sizes {
	width: number;
	height: number;
	gapX: number;
	gapY: number;
}

const SWEEPS = 6;
const DUMMIES_MAX = 20_000; /* of a larger graph, long edges are straight */

function layersOf(upstream: number[][]): number[] {
	const layer = new Array<number>(upstream.length).fill(-1);
	const visit = (start: number) => {
		/* With a stack of its own: chains may be thousands long. */
		const stack = [start];
		while (stack.length) {
			const n = stack[stack.length - 1] as number;
			const open = (upstream[n] ?? []).filter((u) => layer[u] === -1);
			if (open.length) {
				stack.push(...open);
				continue;
			}
			stack.pop();
			layer[n] = Math.max(-1, ...(upstream[n] ?? []).map((u) => layer[u] as number)) + 1;
		}
	};
	for (let n = 0; n < upstream.length; n++) if (layer[n] === -1) visit(n);
	return layer;
}

export function placeGraph(upstream: number[][], size: Sizes): Placed {
	const count = upstream.length;
	const layer = layersOf(upstream);
	const before: number[][] = upstream.map((): number[] => []);
	const after: number[][] = upstream.map((): number[] => []);
	const chains: { from: number; to: number; via: number[] }[] = [];
	const link = (a: number, b: number) => {
		(after[a] as number[]).push(b);
		(before[b] as number[]).push(a);
	};
	let dummies = 0;
	upstream.forEach((ups, to) => {
		for (const from of ups) {
			const via: number[] = [];
			let last = from;
			for (let l = (layer[from] as number) + 1; l < (layer[to] as number) && dummies < DUMMIES_MAX; l++, dummies++) {
				const dummy = layer.length;
				layer.push(l);
				before.push([]);
				after.push([]);
				via.push(dummy);
				link(last, dummy);
				last = dummy;
			}
			link(last, to);
			chains.push({ from, to, via });
		}
	});

	const layers: number[][] = [];
	layer.forEach((l, n) => (layers[l] ??= []).push(n));
	const rank = new Array<number>(layer.length).fill(0);
	const number = (nodes: number[]) => nodes.forEach((n, i) => (rank[n] = i - (nodes.length - 1) / 2));
	layers.forEach(number);
	for (let sweep = 0; sweep < SWEEPS; sweep++) {
		const down = sweep % 2 === 0;
		for (const nodes of down ? layers : [...layers].reverse()) {
			const want = new Map(
				nodes.map((n) => {
					const near = (down ? before : after)[n] as number[];
					return [n, near.length ? near.reduce((sum, m) => sum + (rank[m] as number), 0) / near.length : (rank[n] as number)];
				}),
			);
			nodes.sort((a, b) => (want.get(a) as number) - (want.get(b) as number));
			number(nodes);
		}
	}

	const tallest = Math.max(1, ...layers.map((nodes) => nodes.length));
	const stepX = size.width + size.gapX;
	const stepY = size.height + size.gapY;
	const top = (n: number) => ((rank[n] as number) + (tallest - 1) / 2) * stepY;
	const left = (n: number) => (layer[n] as number) * stepX;
	const all = Array.from({ length: count }, (_, n) => n);
	return {
		x: all.map(left),
		y: all.map(top),
		width: layers.length * stepX - size.gapX,
		height: tallest * stepY - size.gapY,
		edges: chains.map(({ from, to, via }) => {
			const points: [number, number][] = [[left(from) + size.width, top(from) + size.height / 2]];
			for (const d of via) points.push([left(d), top(d) + size.height / 2], [left(d) + size.width, top(d) + size.height / 2]);
			points.push([left(to), top(to) + size.height / 2]);
			return { from, to, points };
		}),
	};
}
