/* One scene of tests/cli/test_console.py in a real browser: node console.cjs SCENE URL [SCREENSHOT]
 *
 * Prints a line for each thing it saw; ends with 1 and a sentence when something else came. A page that logs an
 * error, breaks its Content-Security-Policy or throws fails every scene. NODE_PATH has playwright-core. */
"use strict";
const { chromium } = require("playwright-core");
const path = require("node:path");
const [scene, base, screenshot] = process.argv.slice(2);
const PATIENCE_MS = 20_000;

async function trigger(page, dag) {
	await page.getByRole("button", { name: `Trigger ${dag}`, exact: true }).click();
	await page.getByRole("dialog").getByRole("button", { name: "Trigger", exact: true }).click();
	await page.waitForURL("**/dags/*?run=*");
}

/* A task's cell of its newest run. */
const cell = (page, task, state) => page.locator(`[role=row]:has([role=rowheader][title="${task}"]) .cell:last-child[data-state=${state}]`);

const scenes = {
	/* The list: states, schedules, search, filters, pause. */
	async list(page) {
		await page.goto(`${base}/`);
		await page.locator("tr[data-dag=sample]").waitFor();
		console.log("rows", (await page.locator("tr[data-dag]").evaluateAll((all) => all.map((r) => r.dataset.dag))).join(" "));
		await page.getByRole("searchbox").fill("demo");
		await page.locator("tr[data-dag=idle]").waitFor({ state: "detached" });
		console.log("found", await page.locator("tr[data-dag]").count());
		await page.getByRole("searchbox").fill("");
		await page.getByRole("button", { name: "paused" }).click();
		await page.locator("tr[data-dag=sample]").waitFor({ state: "detached" });
		await page.getByRole("switch", { name: "Unpause idle" }).click();
		await page.getByText("None of the DAGs fits").waitFor();
		await page.getByRole("button", { name: "Show all" }).click();
		await page.locator("tr[data-dag=idle][data-paused=false]").waitFor();
	},

	/* A run with conf, from the button to success, seen without a reload. */
	async trigger(page) {
		await page.goto(`${base}/`);
		await page.evaluate(() => (window.same = true));
		await page.getByRole("button", { name: "Trigger sample", exact: true }).click();
		const dialog = page.getByRole("dialog");
		await dialog.getByLabel("country").selectOption("DE");
		await dialog.getByLabel("More conf").fill("[1]");
		await dialog.getByText("conf is a JSON object").waitFor();
		await dialog.getByLabel("More conf").fill('{"more": 1}');
		await dialog.getByRole("button", { name: "Trigger", exact: true }).click();
		await page.locator(".runbar[data-chosen=true] [data-state=success]").waitFor();
		await page.getByText('"country": "DE"').waitFor();
		await page.getByText('"more": 1').waitFor();
		await cell(page, "make", "success").click();
		await page.locator(".logline").getByText("reading DE", { exact: true }).waitFor();
		for (const view of ["graph", "gantt"]) {
			await page.getByRole("tab", { name: view }).click();
			await page.locator(view === "graph" ? ".node[data-state=success]" : ".span[data-state=success]").nth(1).waitFor();
			if (screenshot) await page.screenshot({ path: screenshot.replace(".png", `-${view}.png`) });
		}
		await page.getByRole("tab", { name: "grid" }).click();
		await page.getByRole("gridcell", { name: /^each/ }).last().click();
		await page.getByText("2 mapped instances").waitFor();
		await page.locator(".mappedrow").nth(1).click();
		await page.locator(".logline").getByText("b", { exact: true }).waitFor();
		if (screenshot) await page.screenshot({ path: screenshot });
		console.log("same page", await page.evaluate(() => window.same));
	},

	/* What changes while the stream is being opened, after the page has asked for its data, is seen too. */
	async late(page) {
		await page.goto(`${base}/`);
		let open = () => {};
		const opened = new Promise((resolve) => (open = resolve));
		await page.route("**/stream?dag_id=*", async (route) => {
			await opened;
			await route.continue();
		});
		await trigger(page, "slow");
		await page.locator(".runbar[data-chosen=true]").waitFor();
		console.log("asked");
		await page.waitForTimeout(1000);
		open();
		await cell(page, "wait", "success").waitFor();
	},

	/* Lines of a log while the task still writes. */
	async log(page) {
		await page.goto(`${base}/`);
		await trigger(page, "slow");
		await cell(page, "wait", "running").click();
		await page.locator(".logline").getByText("line 5", { exact: true }).waitFor();
		await page.getByText("following").waitFor();
		console.log("early", await page.locator(".logline").getByText("line 6", { exact: true }).count());
		await page.locator(".logline").getByText("line 6", { exact: true }).waitFor();
		await cell(page, "wait", "success").waitFor();
		await page.getByText(/^\d+ lines$/).waitFor();
	},

	/* A failed task and what waited for it run again, with a second try beside the first. */
	async clear(page) {
		await page.goto(`${base}/`);
		await trigger(page, "broken");
		await cell(page, "a", "failed").click();
		await page.locator(".logline[data-level=error]").getByText("exit code 3").waitFor();
		await page.getByRole("button", { name: "Clear", exact: false }).first().click();
		const dialog = page.getByRole("dialog");
		await dialog.getByText("2 task instances: a, b").waitFor();
		await dialog.getByLabel("and what comes after it").uncheck();
		await dialog.getByText("1 task instance: a").waitFor();
		await dialog.getByLabel("and what comes after it").check();
		await dialog.getByText("2 task instances: a, b").waitFor();
		await dialog.getByRole("button", { name: "Clear", exact: true }).click();
		await page.getByRole("button", { name: "Try 2" }).waitFor();
		await page.getByText("Log of try 2").waitFor();
		await page.getByRole("button", { name: "Try 1" }).click();
		await page.getByText("Log of try 1").waitFor();
		await page.getByRole("button", { name: "Mark success" }).click();
		await cell(page, "a", "success").waitFor();
	},

	/* Keys alone: a cell, its neighbour, its log. */
	async keys(page) {
		await page.goto(`${base}/dags/sample`);
		await cell(page, "make", "success").focus();
		await page.keyboard.press("ArrowDown");
		console.log("below", await page.evaluate(() => document.activeElement.getAttribute("aria-label").split(",")[0]));
		await page.keyboard.press("ArrowUp");
		await page.keyboard.press("Enter");
		await page.getByText("Log of try 1").waitFor();
		await page.getByRole("tab", { name: "grid" }).focus();
		await page.keyboard.press("ArrowRight");
		await page.locator(".node").first().focus();
		console.log("tab", await page.getByRole("tab", { selected: true }).innerText());
	},

	/* A DAG and a page that are not there. */
	async nothing(page) {
		await page.goto(`${base}/dags/nobody`);
		await page.getByText("There is no DAG nobody").waitFor();
	},

	/* No DAGs: what to do. */
	async empty(page) {
		await page.goto(`${base}/`);
		await page.getByText("No DAGs yet").waitFor();
	},

	/* The server goes; the test says "back" on stdin once it is there again. */
	async gone(page) {
		await page.goto(`${base}/`);
		await page.locator(".line[data-line=open]").waitFor();
		console.log("ready");
		await page.locator(".line[data-line=lost]").waitFor();
		await page.locator("tr[data-dag=sample]").waitFor();
		console.log("lost");
		await page.locator(".line[data-line=open]").waitFor();
		await page.locator("tr[data-dag=late]").waitFor();
	},

	/* Ten thousand mapped instances: from the question to the drawn grid, and to the end of their list. */
	async large(page) {
		await page.goto(`${base}/dags/large`);
		await page.locator(".cell").first().waitFor();
		const drawn = [];
		for (let i = 0; i < 3; i++) {
			await page.goto("about:blank");
			const start = performance.now();
			await page.goto(`${base}/dags/large`);
			await page.locator(".cell").first().waitFor();
			drawn.push(Math.round(performance.now() - start));
		}
		console.log("drawn", Math.min(...drawn));
		await page.locator(".cell").first().click();
		await page.locator(".mappedrow button").first().waitFor();
		console.log("rows", (await page.locator(".mappedrow").count()) < 200);
		await page.locator(".mapped .virtual").evaluate((box) => box.scrollTo(0, box.scrollHeight));
		await page.locator(".mappedrow").getByText("9999", { exact: true }).waitFor();
	},
};

async function main() {
	const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
	try {
		const page = await browser.newPage({ viewport: { width: 1400, height: 860 } });
		page.setDefaultTimeout(PATIENCE_MS);
		const faults = [];
		page.on("pageerror", (error) => faults.push(error.message));
		page.on("console", (message) => {
			/* The browser itself reports answers that are errors, and a server that is gone. */
			if (message.type() === "error" && !/Failed to load resource|ERR_/.test(message.text())) faults.push(message.text());
		});
		try {
			await scenes[scene](page);
		} catch (error) {
			await page.screenshot({ path: path.join(__dirname, "../../build/console-failed.png") });
			throw error;
		}
		if (faults.length) throw new Error(`the page complains: ${faults.join("; ")}`);
		console.log("done");
	} finally {
		await browser.close();
	}
}

main().catch((error) => {
	console.error(`${scene}: ${error.message}`);
	process.exitCode = 1;
});
