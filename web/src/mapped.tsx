/* The instances of a mapped task: pages are asked for as they come into sight. */
import { useEffect, useRef, useState } from "preact/hooks";
import { get, taskPath, type Instance } from "./api";
import { duration, since } from "./format";
import { StateMark } from "./ui";
import { VirtualRows } from "./virtual";

const PAGE = 200;
const ROW_PX = 28;

interface Page {
	task_instances: Instance[];
	total_entries: number;
}

export function MappedList(props: { dag: string; run: string; task: string; chosen: number | null; stamp: number; now: number; onPick: (map: number) => void }) {
	const path = `${taskPath(props.dag, props.run, props.task)}/listMapped`;
	const pages = useRef(new Map<number, Instance[]>());
	const asked = useRef(new Set<string>());
	const range = useRef<[number, number]>([0, PAGE]);
	const [total, setTotal] = useState<number | null>(null);
	const [, draw] = useState(0);
	const stamp = useRef(props.stamp);

	/* Asks for the pages in sight that were not asked for since the last change. */
	const load = () => {
		for (let p = Math.floor(range.current[0] / PAGE); p * PAGE < Math.max(1, range.current[1]); p++) {
			const key = `${path} ${stamp.current} ${p}`;
			if (asked.current.has(key)) continue;
			asked.current.add(key);
			get<Page>(`${path}?limit=${PAGE}&offset=${p * PAGE}&order_by=map_index`)
				.then((page) => {
					pages.current.set(p, page.task_instances);
					setTotal(page.total_entries);
					draw((n) => n + 1);
				})
				.catch(() => asked.current.delete(key));
		}
	};
	useEffect(() => {
		pages.current.clear();
		setTotal(null);
	}, [path]);
	useEffect(() => {
		stamp.current = props.stamp;
		load();
	}, [path, props.stamp]);
	if (total === null) return <p class="faint pad">Loading the instances…</p>;
	return (
		<div class="mapped">
			<div class="loghead faint">
				<span>{total.toLocaleString("en")} mapped instances</span>
			</div>
			<VirtualRows
				count={total}
				height={ROW_PX}
				role="list"
				label="Mapped instances"
				onRange={(from, to) => {
					range.current = [from, to];
					load();
				}}
				row={(i) => {
					const ti = pages.current.get(Math.floor(i / PAGE))?.[i % PAGE];
					return (
						<div role="listitem" class="mappedrow" key={i} data-chosen={ti !== undefined && ti.map_index === props.chosen}>
							{ti ? (
								<button type="button" class="quiet" onClick={() => props.onPick(ti.map_index)}>
									<StateMark state={ti.state} />
									<span>{ti.rendered_map_index ?? ti.map_index}</span>
									<span class="faint">{duration(ti.duration !== null ? ti.duration * 1000 : since(ti.start_date, ti.end_date, props.now))}</span>
								</button>
							) : (
								<span class="faint">…</span>
							)}
						</div>
					);
				}}
			/>
		</div>
	);
}
