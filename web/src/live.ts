/* The live stream: server-sent events of what changes, with reconnect.
 *
 * Each time it opens, the first too, the page hears "open" and asks for everything anew: what changed before is told
 * to nobody, and what the page asked for while the stream was being opened may be older than that.
 * A browser opens few connections to one server, so a page that nobody sees gives its stream back. */
import { PREFIX } from "./api";

export type LiveState = "open" | "connecting" | "lost";

export interface LiveEvent {
	kind: string; /* dag, dag_run, task_instance, log, log_end; open; reset: events were left out */
	data: Record<string, unknown>;
}

const KINDS = ["dag", "dag_run", "task_instance", "reset", "log", "log_end"];
const WAIT_MS_FIRST = 500;
const WAIT_MS_MOST = 10_000;

/* Listens until the function it returns is called. */
export function listen(query: string, onEvent: (event: LiveEvent) => void, onState?: (state: LiveState) => void) {
	let source: EventSource | null = null;
	let timer = 0;
	let wait = WAIT_MS_FIRST;

	const close = () => {
		clearTimeout(timer);
		source?.close();
		source = null;
	};
	const open = () => {
		close();
		source = new EventSource(`${PREFIX}/stream${query}`);
		source.onopen = () => {
			wait = WAIT_MS_FIRST;
			onState?.("open");
			onEvent({ kind: "open", data: {} });
		};
		source.onerror = () => {
			close();
			onState?.("lost");
			timer = window.setTimeout(open, wait);
			wait = Math.min(wait * 2, WAIT_MS_MOST);
		};
		for (const kind of KINDS)
			source.addEventListener(kind, (e) => {
				onEvent({ kind, data: JSON.parse((e as MessageEvent<string>).data) as Record<string, unknown> });
			});
	};
	const onVisible = () => (document.hidden ? close() : source || open());

	document.addEventListener("visibilitychange", onVisible);
	if (!document.hidden) open();
	return () => {
		document.removeEventListener("visibilitychange", onVisible);
		close();
	};
}

/* Calls fn soon after the first call and at most once in `ms`: many events, one question. */
export function throttle(fn: () => void, ms: number) {
	let timer = 0;
	let last = 0;
	const run = () => {
		timer = 0;
		last = performance.now();
		fn();
	};
	return {
		call() {
			if (!timer) timer = window.setTimeout(run, Math.max(0, last + ms - performance.now()));
		},
		cancel() {
			clearTimeout(timer);
			timer = 0;
		},
	};
}
