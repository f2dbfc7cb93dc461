/* Data that a view shows, and keeping it fresh. */
import { createContext } from "preact";
import { useContext, useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get } from "./api";
import { listen, throttle, type LiveEvent, type LiveState } from "./live";

export interface Data<T> {
	data: T | null; /* the last good answer; it stays while the next is asked */
	error: ApiError | null; /* of the last question */
	reload: () => void;
}

const RELOAD_MS = 250;

/* The answer to GET path, of this path only; null asks nothing. */
export function useData<T>(path: string | null): Data<T> {
	const [shown, setShown] = useState<{ path: string | null; data: T | null; error: ApiError | null }>({ path: null, data: null, error: null });
	const reload = useRef<() => void>(() => {});
	useEffect(() => {
		if (path === null) return;
		let stop: AbortController | null = null;
		let again = false;
		const load = () => {
			if (stop) {
				again = true;
				return;
			}
			const mine = (stop = new AbortController());
			get<T>(path, mine.signal)
				.then((data) => setShown({ path, data, error: null }))
				.catch((error: unknown) => {
					if (!mine.signal.aborted) setShown((s) => ({ path, data: s.path === path ? s.data : null, error: error as ApiError }));
				})
				.finally(() => {
					if (stop === mine) stop = null;
					if (again && !mine.signal.aborted) {
						again = false;
						load();
					}
				});
		};
		const soon = throttle(load, RELOAD_MS);
		reload.current = soon.call;
		load();
		return () => {
			soon.cancel();
			again = false;
			stop?.abort();
		};
	}, [path]);
	const mine = shown.path === path;
	return { data: mine ? shown.data : null, error: mine ? shown.error : null, reload: () => reload.current() };
}

export const LiveContext = createContext<(state: LiveState) => void>(() => {});

/* Events of the stream while the view is there. */
export function useLive(query: string, onEvent: (event: LiveEvent) => void) {
	const setState = useContext(LiveContext);
	const latest = useRef(onEvent);
	latest.current = onEvent;
	useEffect(() => listen(query, (e) => latest.current(e), setState), [query]);
}

/* The time, once a second while something is running; else when it was last true. */
export function useNow(running: boolean): number {
	const [now, setNow] = useState(Date.now);
	useEffect(() => {
		if (!running) return;
		const timer = setInterval(() => setNow(Date.now()), 1000);
		return () => clearInterval(timer);
	}, [running]);
	return now;
}

/* Something a person asked for: at most one under way, its failure kept to be shown. */
export function useAction(): { busy: boolean; failure: string | null; run: (fn: () => Promise<unknown>) => void } {
	const [state, setState] = useState<{ busy: boolean; failure: string | null }>({ busy: false, failure: null });
	const run = (fn: () => Promise<unknown>) => {
		if (state.busy) return;
		setState({ busy: true, failure: null });
		fn().then(
			() => setState({ busy: false, failure: null }),
			(error: unknown) => setState({ busy: false, failure: error instanceof Error ? error.message : String(error) }),
		);
	};
	return { ...state, run };
}
