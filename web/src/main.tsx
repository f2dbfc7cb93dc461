/* The console's shell: navigation, the state of the live line, and the view that the address names. */
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { DagPage } from "./dag";
import { DagList } from "./dags";
import { LiveContext } from "./hooks";
import type { LiveState } from "./live";
import { Link, usePlace, type Place } from "./router";
import "./style.css";
import { Empty } from "./ui";

/* A view a line; those of topics, tables, pipelines and SQL join here. */
const VIEWS = [{ name: "DAGs", path: "dags" }] as const;

const LINE: Record<LiveState, string> = { open: "live", connecting: "connecting", lost: "reconnecting" };

function View({ place }: { place: Place }) {
	const [first, dag] = place.path;
	if (first && first !== "dags") return <Empty title="There is nothing here" />;
	return dag === undefined ? <DagList query={place.query} /> : <DagPage key={dag} dag={dag} query={place.query} />;
}

function Shell() {
	const place = usePlace();
	const [line, setLine] = useState<LiveState>("connecting");
	const view = place.path[0] ?? "dags";
	useEffect(() => {
		document.title = [place.path[1], "millrace"].filter(Boolean).join(" · ");
	}, [place.path[1]]);
	return (
		<LiveContext.Provider value={setLine}>
			<a class="skip" href="#main">
				Skip to the content
			</a>
			<header class="top">
				<Link to="/" class="brand">
					<svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
						<circle cx="16" cy="16" r="11" fill="none" stroke="currentColor" stroke-width="4" stroke-dasharray="6 2.64" />
						<circle cx="16" cy="16" r="4" fill="currentColor" />
					</svg>
					millrace
				</Link>
				<nav aria-label="Views">
					{VIEWS.map((v) => (
						<Link key={v.path} to={`/${v.path}`} current={v.path === view}>
							{v.name}
						</Link>
					))}
				</nav>
				<span class="line" data-line={line} role="status" title="The live stream of the server">
					<i aria-hidden="true" />
					{LINE[line]}
				</span>
			</header>
			<main id="main">
				<View place={place} />
			</main>
		</LiveContext.Provider>
	);
}

render(<Shell />, document.getElementById("app") as HTMLElement);
