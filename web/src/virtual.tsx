/* A long list of which only the rows in sight are there. All rows have one height. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

const OVERSCAN = 8; /* rows beyond the edges, so that the keyboard finds its neighbour */

export function VirtualRows(props: {
	count: number;
	height: number; /* of a row, in pixels */
	class?: string;
	label?: string;
	role?: "grid" | "list" | "log";
	head?: ComponentChildren; /* stays at the top */
	follow?: boolean; /* stays at the end while a person looks at the end */
	onRange?: (from: number, to: number) => void;
	row: (index: number) => ComponentChildren;
}) {
	const box = useRef<HTMLDivElement>(null);
	const atEnd = useRef(true);
	const [view, setView] = useState({ top: 0, height: 600 });
	const look = () => {
		const b = box.current;
		if (!b) return;
		atEnd.current = b.scrollHeight - b.scrollTop - b.clientHeight < 2 * props.height;
		setView((v) => (v.top === b.scrollTop && v.height === b.clientHeight ? v : { top: b.scrollTop, height: b.clientHeight }));
	};
	useLayoutEffect(() => {
		const b = box.current;
		if (!b) return;
		if (props.follow && atEnd.current) b.scrollTop = b.scrollHeight;
		look();
	}, [props.count, props.follow]);
	useLayoutEffect(() => {
		const b = box.current;
		if (!b) return;
		const watch = new ResizeObserver(look);
		watch.observe(b);
		return () => watch.disconnect();
	}, []);
	const from = Math.max(0, Math.floor(view.top / props.height) - OVERSCAN);
	const to = Math.min(props.count, Math.ceil((view.top + view.height) / props.height) + OVERSCAN);
	useLayoutEffect(() => props.onRange?.(from, to), [from, to]);
	const rows = [];
	for (let i = from; i < to; i++) rows.push(props.row(i));
	return (
		<div ref={box} class={`virtual ${props.class ?? ""}`} role={props.role} aria-label={props.label} tabIndex={props.role === "log" ? 0 : undefined} onScroll={look}>
			{props.head}
			<div class="space" role="presentation" style={{ height: `${props.count * props.height}px` }}>
				<div role="presentation" style={{ transform: `translateY(${from * props.height}px)` }}>
					{rows}
				</div>
			</div>
		</div>
	);
}
