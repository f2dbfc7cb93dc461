/* Times, durations and states as a person reads them. */
import type { Cell } from "./api";

export function since(from: string | null, to: string | null, now = Date.now()): number | null {
	if (!from) return null;
	return (to ? Date.parse(to) : now) - Date.parse(from);
}

/* 340 ms, 4.2 s, 3 min 20 s, 2 h 05 min, 3 d 4 h */
export function duration(ms: number | null): string {
	if (ms === null) return "–";
	if (ms < 0) ms = 0;
	if (ms < 1000) return `${Math.round(ms)} ms`;
	if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
	const s = Math.round(ms / 1000);
	if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
	if (s < 86_400) return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")} min`;
	return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

const two = (n: number) => String(n).padStart(2, "0");

/* "14:03:21" of today, else "11-23 14:03"; in the browser's zone. */
export function clock(text: string | null, now = new Date()): string {
	if (!text) return "–";
	const t = new Date(text);
	const hm = `${two(t.getHours())}:${two(t.getMinutes())}`;
	if (t.toDateString() === now.toDateString()) return `${hm}:${two(t.getSeconds())}`;
	const year = t.getFullYear() === now.getFullYear() ? "" : `${t.getFullYear()}-`;
	return `${year}${two(t.getMonth() + 1)}-${two(t.getDate())} ${hm}`;
}

/* "in 5 min", "2 h ago" */
export function relative(text: string | null, now = Date.now()): string {
	if (!text) return "–";
	const s = Math.round((Date.parse(text) - now) / 1000);
	const a = Math.abs(s);
	const size = a < 60 ? `${a} s` : a < 3600 ? `${Math.round(a / 60)} min` : a < 86_400 ? `${Math.round(a / 3600)} h` : `${Math.round(a / 86_400)} d`;
	return s >= 0 ? `in ${size}` : `${size} ago`;
}

export const stateName = (state: string | null) => (state ?? "no status").replaceAll("_", " ");

/* Worst first: a mapped task's cell has the colour of the first of these that it has. */
const RANK = ["failed", "running", "restarting", "up_for_retry", "up_for_reschedule", "deferred", "queued", "scheduled", "upstream_failed", "none", "skipped", "removed", "success"];

export function cellState(cell: Cell): string | null {
	if (cell === null || typeof cell === "string") return cell;
	return RANK.find((s) => cell[s]) ?? null;
}

export function cellText(cell: Cell): string {
	if (cell === null || typeof cell === "string") return stateName(cell);
	return Object.entries(cell)
		.map(([s, n]) => `${n} ${stateName(s)}`)
		.join(", ");
}

/* "manual__2026-11-23T11:44:11.919265+00:00" is long: its kind is told elsewhere. */
export const shortRun = (id: string) => id.replace(/^(manual|scheduled|backfill|asset_triggered)__/, "").replace(/\.\d+(\+00:00|Z)?$/, "").replace("T", " ");
