/* The parts of the console that are pure: layout, rows, words. tests/cli/test_console.py bundles and runs it. */
import assert from "node:assert/strict";
import test from "node:test";
import type { Grid } from "../src/api";
import { cellState, cellText, clock, duration, relative } from "../src/format";
import { placeGraph } from "../src/layout";
import { makeRows, rowCell } from "../src/rows";

/* A generator of one's own (mulberry32), so that a failure can be seen again. */
function numbers(seed: number) {
	return (below: number) => {
		seed = (seed + 0x6d2b79f5) | 0;
		let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) % below;
	};
}

const SIZE = { width: 100, height: 40, gapX: 50, gapY: 10 };

test("layout: nodes never overlap, every edge goes right, lines go around nodes", () => {
	for (let seed = 1; seed <= 300; seed++) {
		const random = numbers(seed);
		const count = 1 + random(40);
		const upstream = Array.from({ length: count }, (_, n) => [...new Set(Array.from({ length: random(4) }, () => (n ? random(n) : 0)))].filter((u) => u < n));
		const placed = placeGraph(upstream, SIZE);
		const at = (n: number) => ({ x: placed.x[n] as number, y: placed.y[n] as number });
		assert.equal(placed.edges.length, upstream.flat().length);
		for (let a = 0; a < count; a++) {
			assert.ok(at(a).x >= 0 && at(a).x + SIZE.width <= placed.width && at(a).y >= 0 && at(a).y + SIZE.height <= placed.height, `seed ${seed}: node ${a} is outside`);
			for (let b = 0; b < a; b++) assert.ok(at(a).x !== at(b).x || Math.abs(at(a).y - at(b).y) >= SIZE.height, `seed ${seed}: ${a} lies on ${b}`);
		}
		for (const e of placed.edges) {
			assert.ok(at(e.from).x + SIZE.width + SIZE.gapX <= at(e.to).x, `seed ${seed}: ${e.from} is not left of ${e.to}`);
			e.points.forEach(([x, y], i) => {
				const [x0, y0] = e.points[i - 1] ?? [x, y];
				if (i === 0) return;
				/* A line bends between two layers only, and where it is straight nothing is in its way. */
				assert.ok(x - x0 === SIZE.gapX || y === y0, `seed ${seed}: the line from ${e.from} to ${e.to} bends within a layer`);
				for (let n = 0; n < count && y === y0; n++) assert.ok(x <= at(n).x || x0 >= at(n).x + SIZE.width || y < at(n).y || y > at(n).y + SIZE.height, `seed ${seed}: a line runs into ${n}`);
			});
		}
	}
});

test("layout: a chain of ten thousand", () => {
	const placed = placeGraph(Array.from({ length: 10_000 }, (_, n) => (n ? [n - 1] : [])), SIZE);
	assert.equal(placed.height, SIZE.height);
	assert.equal(placed.x[9_999], 9_999 * (SIZE.width + SIZE.gapX));
});

function grid(groups: [string, string | null][], tasks: [string, string | null][]): Grid {
	return {
		dag_id: "d",
		version: "v",
		runs: [],
		groups: groups.map(([group_id, parent_id]) => ({ group_id, label: group_id, parent_id })),
		tasks: tasks.map(([task_id, group_id]) => ({ task_id, label: task_id, group_id, operator: "X", is_mapped: false, upstream: [] })),
	};
}

test("rows: a group's tasks stand together below it, each once", () => {
	const g = grid(
		[
			["outer", null],
			["outer.inner", "outer"],
		],
		[
			["a", null],
			["b", "outer.inner"],
			["c", null],
			["d", "outer"],
			["e", "outer.inner"],
		],
	);
	const rows = makeRows(g, new Set());
	assert.deepEqual(
		rows.map((r) => `${" ".repeat(r.depth)}${r.id}`),
		["a", "outer", " outer.inner", "  b", "  e", " d", "c"],
	);
	const outer = rows[1];
	assert.ok(outer);
	assert.deepEqual(outer.tasks, [1, 4, 3]);
	assert.deepEqual(rowCell(outer, ["success", "failed", null, { success: 3, failed: 1 }, null]), { failed: 2, success: 3 });
	assert.deepEqual(
		makeRows(g, new Set(["outer"])).map((r) => r.id),
		["a", "outer", "c"],
	);
});

test("cells: the worst state gives the colour", () => {
	assert.equal(cellState({ success: 9_999, failed: 1 }), "failed");
	assert.equal(cellState({ success: 2, running: 1, skipped: 1 }), "running");
	assert.equal(cellState(null), null);
	assert.equal(cellState({}), null);
	assert.equal(cellText({ success: 2, up_for_retry: 1 }), "2 success, 1 up for retry");
});

test("words for times", () => {
	const cases: [number | null, string][] = [[null, "–"], [-5, "0 ms"], [999, "999 ms"], [4_200, "4.2 s"], [59_900, "59.9 s"], [59_999, "1 min 0 s"], [60_000, "1 min 0 s"], [3_599_000, "59 min 59 s"], [7_500_000, "2 h 05 min"], [90_000_000, "1 d 1 h"]];
	for (const [ms, text] of cases) assert.equal(duration(ms), text);
	const now = Date.parse("2026-11-23T12:00:00Z");
	assert.equal(relative("2026-11-23T12:00:30Z", now), "in 30 s");
	assert.equal(relative("2026-11-23T09:00:00Z", now), "3 h ago");
	assert.equal(relative(null, now), "–");
	assert.equal(clock("2026-11-23T11:05:09Z", new Date(now)), "11:05:09");
	assert.equal(clock("2026-11-20T11:05:09Z", new Date(now)), "11-20 11:05");
	assert.equal(clock("2024-02-29T00:00:00Z", new Date(now)), "2024-02-29 00:00");
	assert.equal(clock(null), "–");
});
