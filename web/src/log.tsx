/* The log of one try, line by line as it is written. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { LogLine } from "./api";
import { listen, throttle } from "./live";
import { VirtualRows } from "./virtual";

const LINE_PX = 19;
const LINES_MAX = 50_000; /* the last ones are kept */
const DRAW_MS = 60;

const two = (n: number) => String(n).padStart(2, "0");
function timeOf(text: string | undefined): string {
	if (!text) return "";
	const t = new Date(text);
	return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
}

export function LogTail(props: { dag: string; run: string; task: string; map: number; attempt: number }) {
	const lines = useRef<LogLine[]>([]);
	const dropped = useRef(0);
	const [, draw] = useState(0);
	const [ended, setEnded] = useState(false);
	const query = `?${new URLSearchParams({ dag_id: props.dag, run_id: props.run, task_id: props.task, map_index: String(props.map), try: String(props.attempt) })}`;
	useEffect(() => {
		lines.current = [];
		dropped.current = 0;
		setEnded(false);
		const soon = throttle(() => draw((n) => n + 1), DRAW_MS);
		const stop = listen(query, (e) => {
			if (e.kind === "log") {
				lines.current.push(e.data as unknown as LogLine);
				if (lines.current.length > LINES_MAX) dropped.current += lines.current.splice(0, LINES_MAX / 10).length;
			} else if (e.kind === "log_end") {
				setEnded(true);
				stop();
			} else if (e.kind === "open") {
				lines.current = []; /* the server tells it from the beginning */
				dropped.current = 0;
			} else return;
			soon.call();
		});
		return () => {
			soon.cancel();
			stop();
		};
	}, [query]);
	const all = lines.current;
	return (
		<div class="log">
			<div class="loghead faint">
				<span>
					Log of try {props.attempt} {dropped.current > 0 && `(without the first ${dropped.current} lines)`}
				</span>
				<span role="status">{ended ? `${all.length + dropped.current} lines` : "following…"}</span>
			</div>
			{all.length === 0 && <p class="faint pad">{ended ? "This try wrote nothing." : "Nothing is written yet."}</p>}
			{all.length > 0 && (
				<VirtualRows
					count={all.length}
					height={LINE_PX}
					role="log"
					label={`Log of try ${props.attempt}`}
					follow={!ended}
					row={(i) => {
						const line = all[i] as LogLine;
						return (
							<div class="logline" key={dropped.current + i} data-level={line.level ?? "info"}>
								<time>{timeOf(line.timestamp)}</time>
								<span>{line.event}</span>
							</div>
						);
					}}
				/>
			)}
		</div>
	);
}
