/* The address is the state of the page: a path, and a query for what is selected on it. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

export interface Place {
	path: string[]; /* decoded parts: ["dags", "sample"] */
	query: URLSearchParams;
}

const CHANGED = "millrace:place";

function here(): Place {
	return {
		path: location.pathname.split("/").filter(Boolean).map(decodeURIComponent),
		query: new URLSearchParams(location.search),
	};
}

export function go(url: string, replace = false) {
	if (url !== location.pathname + location.search) history[replace ? "replaceState" : "pushState"](null, "", url);
	dispatchEvent(new Event(CHANGED));
}

export function usePlace(): Place {
	const [place, setPlace] = useState(here);
	useEffect(() => {
		const look = () => setPlace(here());
		addEventListener(CHANGED, look);
		addEventListener("popstate", look);
		return () => {
			removeEventListener(CHANGED, look);
			removeEventListener("popstate", look);
		};
	}, []);
	return place;
}

/* This address with some of its query changed; null takes a name out. */
export function withQuery(changes: Record<string, string | null>): string {
	const query = new URLSearchParams(location.search);
	for (const [name, value] of Object.entries(changes)) value === null ? query.delete(name) : query.set(name, value);
	const text = query.toString();
	return location.pathname + (text ? `?${text}` : "");
}

export const dagUrl = (dag: string) => `/dags/${encodeURIComponent(dag)}`;

export function Link(props: { to: string; children: ComponentChildren; class?: string; current?: boolean; title?: string }) {
	const click = (e: MouseEvent) => {
		if (e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
		e.preventDefault();
		go(props.to);
	};
	return (
		<a href={props.to} class={props.class} title={props.title} onClick={click} aria-current={props.current ? "page" : undefined}>
			{props.children}
		</a>
	);
}
