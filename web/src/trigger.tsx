/* The dialog that starts a run: a field for each of the DAG's params, and conf as JSON. */
import { useEffect, useState } from "preact/hooks";
import { ask, dagPath, type DagDetails, type Param, type Run } from "./api";
import { useAction, useData } from "./hooks";
import { dagUrl, go } from "./router";
import { Dialog, Failure } from "./ui";

const types = (param: Param): string[] => [param.schema.type ?? []].flat();

/* What a field shows of a value, and the value that its text stands for. */
function toText(param: Param, value: unknown): string {
	return types(param).includes("string") && typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
}

function fromText(param: Param, text: string): unknown {
	const kinds = types(param);
	if (kinds.includes("string") && !(kinds.includes("null") && text === "")) return text;
	if (text === "" && kinds.includes("null")) return null;
	try {
		return JSON.parse(text);
	} catch {
		return text; /* the server says what is wrong with it */
	}
}

function ParamField(props: { name: string; param: Param; value: unknown; onChange: (value: unknown) => void }) {
	const { name, param, value } = props;
	const id = `param-${name}`;
	let field;
	if (param.schema.enum)
		field = (
			<select id={id} onChange={(e) => props.onChange(param.schema.enum?.[e.currentTarget.selectedIndex])}>
				{param.schema.enum.map((v) => (
					<option key={String(v)} selected={v === value}>
						{String(v)}
					</option>
				))}
			</select>
		);
	else if (types(param).includes("boolean")) field = <input id={id} type="checkbox" checked={value === true} onChange={(e) => props.onChange(e.currentTarget.checked)} />;
	else {
		const common = { id, value: toText(param, value), onInput: (e: { currentTarget: HTMLInputElement }) => props.onChange(fromText(param, e.currentTarget.value)) };
		const isNumber = types(param).some((t) => t === "integer" || t === "number");
		field = isNumber ? <input type="number" step="any" min={param.schema.minimum} max={param.schema.maximum} {...common} /> : <input type="text" {...common} list={undefined} />;
	}
	return (
		<div class="field">
			<label for={id}>{param.schema.title ?? name}</label>
			{field}
			{param.description && <small>{param.description}</small>}
		</div>
	);
}

/* The conf object, or a sentence saying why the text is none. */
function parseConf(text: string): Record<string, unknown> | string {
	if (!text.trim()) return {};
	try {
		const parsed: unknown = JSON.parse(text);
		return parsed && typeof parsed === "object" && !Array.isArray(parsed) ? (parsed as Record<string, unknown>) : "conf is a JSON object: {…}";
	} catch (error) {
		return `conf is not JSON: ${(error as Error).message}`;
	}
}

export function TriggerDialog(props: { dag: string; onClose: () => void }) {
	const details = useData<DagDetails>(`${dagPath(props.dag)}/details`);
	const [values, setValues] = useState<Record<string, unknown>>({});
	const [text, setText] = useState("");
	const [unpause, setUnpause] = useState(true);
	const action = useAction();
	const params = Object.entries(details.data?.params ?? {});
	useEffect(() => {
		setValues(Object.fromEntries(params.map(([name, p]) => [name, p.value])));
	}, [details.data]);

	const conf = parseConf(text);
	const start = async () => {
		if (typeof conf === "string") throw new Error(conf);
		if (details.data?.is_paused && unpause) await ask("PATCH", dagPath(props.dag), { is_paused: false });
		const run = await ask<Run>("POST", `${dagPath(props.dag)}/dagRuns`, { logical_date: null, conf: { ...values, ...conf } });
		props.onClose();
		go(`${dagUrl(props.dag)}?run=${encodeURIComponent(run.dag_run_id)}`);
	};
	return (
		<Dialog title={`Trigger ${props.dag}`} onClose={props.onClose}>
			<form
				onSubmit={(e) => {
					e.preventDefault();
					action.run(start);
				}}
			>
				<Failure error={details.error} what="The DAG's params cannot be shown." retry={details.reload} />
				{params.map(([name, param]) => (
					<ParamField key={name} name={name} param={param} value={values[name]} onChange={(v) => setValues({ ...values, [name]: v })} />
				))}
				<div class="field">
					<label for="conf">{params.length ? "More conf" : "Conf"}</label>
					<textarea id="conf" rows={4} spellcheck={false} placeholder="{}" value={text} onInput={(e) => setText(e.currentTarget.value)} />
					<small class={typeof conf === "string" ? "bad" : ""}>{typeof conf === "string" ? conf : "A JSON object that tasks see as dag_run.conf."}</small>
				</div>
				{details.data?.is_paused && (
					<label class="check">
						<input type="checkbox" checked={unpause} onChange={(e) => setUnpause(e.currentTarget.checked)} /> Unpause the DAG, so that the run starts
					</label>
				)}
				{action.failure && (
					<p class="bad" role="alert">
						{action.failure}
					</p>
				)}
				<footer>
					<button type="button" onClick={props.onClose}>
						Cancel
					</button>
					<button type="submit" class="main" disabled={action.busy || !details.data}>
						Trigger
					</button>
				</footer>
			</form>
		</Dialog>
	);
}
