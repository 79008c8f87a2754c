/** The requests of the page as code, to be copied. */

import { find } from "./dom.js";
import { hasKey } from "./key.js";
import { say } from "./notices.js";
import { locate } from "./service.js";

const quote = JSON.stringify;

/** @param {string} text */
const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** @param {string} name */
const part = (name) => shell(`file=@"${name.replace(/["\\]/g, "\\$&")}"`);

/** @type {Record<string, (urls: string[], name: string) => string[]>} */
const WRITERS = {
	curl: (urls, name) =>
		urls.map((url) => `curl -F ${part(name)}${hasKey() ? " -H 'X-API-Key: YOUR-KEY'" : ""} \\\n  ${shell(url)}`),
	python: (urls, name) => [
		"import requests\n",
		`data = open(${quote(name)}, "rb").read()`,
		`headers = {${hasKey() ? '"X-API-Key": "YOUR-KEY"' : ""}}`,
		...urls.map((url) => `print(requests.post(\n    ${quote(url)},\n    files={"file": data}, headers=headers,\n).json())`),
	],
	typescript: (urls, name) => [
		'import { openAsBlob } from "node:fs";\n',
		"const body = new FormData();",
		`body.append("file", await openAsBlob(${quote(name)}));`,
		`const headers = {${hasKey() ? ' "X-API-Key": "YOUR-KEY" ' : ""}};`,
		...urls.map((url) => `console.log(await (await fetch(\n  ${quote(url)},\n  { method: "POST", body, headers },\n)).json());`),
	],
};

let shown = { routes: [""], name: "" };

/** Shows requests for a file as code in the chosen language. @type {(routes: string[], name: string) => void} */
export function showSnippet(routes, name) {
	shown = { routes, name };
	const { value } = find("code").querySelector(":checked");
	find("snippet").textContent = WRITERS[value](routes.map(locate), name).join("\n");
}

export function listenForCopy() {
	find("code").onchange = () => showSnippet(shown.routes, shown.name);
	find("copy").onclick = async () => {
		try {
			await navigator.clipboard.writeText(find("snippet").textContent);
			say("Copied.");
		} catch {
			getSelection()?.selectAllChildren(find("snippet")); // the clipboard needs https or localhost
			say("Selected; copy it with Ctrl+C.");
		}
	};
}
