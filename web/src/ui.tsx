/* The small parts that every view uses. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { ApiError } from "./api";
import { stateName } from "./format";

export function StateMark(props: { state: string | null; text?: boolean }) {
	return (
		<span class="mark" data-state={props.state ?? "none"} title={props.text ? undefined : stateName(props.state)}>
			<i class="dot" aria-hidden="true" />
			{props.text ? stateName(props.state) : <span class="hidden">{stateName(props.state)}</span>}
		</span>
	);
}

export function Empty(props: { title: string; children?: ComponentChildren }) {
	return (
		<div class="empty">
			<h2>{props.title}</h2>
			{props.children}
		</div>
	);
}

/* Above what was last known when there is something, in its place when there is nothing. */
export function Failure(props: { error: ApiError | null; what: string; retry?: () => void }) {
	if (!props.error) return null;
	return (
		<div class="failure" role="alert">
			<b>{props.what}</b> {props.error.message}
			{props.retry && (
				<button type="button" onClick={props.retry}>
					Try again
				</button>
			)}
		</div>
	);
}

export function Switch(props: { on: boolean; label: string; disabled?: boolean; onChange: (on: boolean) => void }) {
	return (
		<button type="button" role="switch" class="switch" aria-checked={props.on} aria-label={props.label} title={props.label} disabled={props.disabled} onClick={() => props.onChange(!props.on)}>
			<i />
		</button>
	);
}

/* The browser's own dialog: focus stays inside, Escape closes. */
export function Dialog(props: { title: string; onClose: () => void; children: ComponentChildren }) {
	const box = useRef<HTMLDialogElement>(null);
	useEffect(() => {
		box.current?.showModal();
	}, []);
	return (
		<dialog ref={box} onClose={props.onClose} aria-label={props.title} onClick={(e) => e.target === box.current && box.current?.close()}>
			<div class="dialog">
				<header>
					<h2>{props.title}</h2>
					<button type="button" class="quiet" aria-label="Close" onClick={() => box.current?.close()}>
						✕
					</button>
				</header>
				{props.children}
			</div>
		</dialog>
	);
}

export function Tabs<T extends string>(props: { label: string; names: readonly T[]; current: T; onPick: (name: T) => void }) {
	const move = (e: KeyboardEvent) => {
		const step = e.key === "ArrowRight" ? 1 : e.key === "ArrowLeft" ? -1 : 0;
		if (!step) return;
		const next = props.names[(props.names.indexOf(props.current) + step + props.names.length) % props.names.length] as T;
		props.onPick(next);
		(e.currentTarget as HTMLElement).querySelector<HTMLElement>(`[data-tab="${next}"]`)?.focus();
	};
	return (
		<div class="tabs" role="tablist" aria-label={props.label} onKeyDown={move}>
			{props.names.map((name) => (
				<button type="button" role="tab" key={name} data-tab={name} aria-selected={name === props.current} tabIndex={name === props.current ? 0 : -1} onClick={() => props.onPick(name)}>
					{name}
				</button>
			))}
		</div>
	);
}
