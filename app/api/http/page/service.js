/** The service's API: requests, their retries, and their errors in words. */

import { askKey, headers } from "./key.js";
import { say } from "./notices.js";

const MAX_TRIES = 4;
const MAX_WAIT_S = 15;

/**
 * @typedef {{name: string, ms: number}} Stage
 * @typedef {{model: {id: string, revision: string}, scores: number[], stages: Stage[],
 *   predictions: {label: string, label_id: number, score: number}[],
 *   image: Size & {format: string}}} Answer
 * @typedef {{width: number, height: number}} Size
 * @typedef {Size & {left: number, top: number}} Box
 * @typedef {{label: string, label_id: number, score: number, relevance: number[][]}} Explanation
 * @typedef {{model: {revision: string}, method: string, layers: {first: number, last: number, total: number}|null,
 *   crop: Box|null, explanations: Explanation[]}} Explained
 */

export class Problem extends Error {
	/** @param {string} title @param {string} detail */
	constructor(title, detail) {
		super(detail);
		Object.assign(this, { title, detail });
	}
}

/** Finds a route, wherever the service is mounted. @param {string} route */
export const locate = (route) => new URL(route, document.baseURI).href;

/** What the page asks, and the code that it shows. */
export const PREDICT = "predict?scores=all";

/** @param {number} id of a label; names may not be unique */
export const explainRoute = (id) => `explain?label_id=${id}`;

/** @type {(file: File, signal?: AbortSignal) => Promise<Answer>} */
export async function classify(file, signal) {
	const started = performance.now();
	const response = await send(PREDICT, file, signal);
	const answer = await response.json();
	const total = performance.now() - started;
	return { ...answer, stages: readStages(response.headers.get("Server-Timing") ?? "", total) };
}

/** @type {(file: File, id: number, signal: AbortSignal) => Promise<Explained>} */
export const explain = async (file, id, signal) => (await send(explainRoute(id), file, signal)).json();

/** Has the service draw a picture that the browser cannot read. @type {(file: File) => Promise<Blob>} */
export const drawPicture = async (file) => (await send("explain?format=png&opacity=0", file)).blob();

/** Gets a file, without asking for a key. @param {string} route */
export async function get(route) {
	const response = await fetch(locate(route), { headers: headers() }).catch(() => Promise.reject(unreachable()));
	if (!response.ok) throw await readProblem(response);
	return response;
}

/** @param {string} route of JSON */
export const read = async (route) => (await get(route)).json();

/**
 * Sends a picture; waits and tries again where the service is full, asks where it wants a key.
 * @type {(route: string, file: File, signal?: AbortSignal) => Promise<Response>}
 */
async function send(route, file, signal) {
	for (let tries = 1; ; ) {
		const [sent, sentAt] = [headers(), performance.now()];
		const body = new FormData();
		body.append("file", file);
		const response = await fetch(locate(route), { method: "POST", body, headers: sent, signal }).catch(
			async (error) => Promise.reject(signal?.aborted ? error : await explainFailure(file)),
		);
		if (response.ok) return response;
		const problem = await readProblem(response);
		problem.isRefused = response.status === 401;
		if (problem.isRefused && (await askKey(problem.detail, sent, sentAt))) continue;
		const wait = Number(response.headers.get("Retry-After") ?? NaN);
		if (response.status !== 503 || !(wait <= MAX_WAIT_S) || tries === MAX_TRIES) throw problem;
		say(`${problem.title}; trying again in ${wait} s (${tries} of ${MAX_TRIES - 1}).`);
		await new Promise((resolve) => {
			setTimeout(resolve, 1000 * wait);
			signal?.addEventListener("abort", resolve);
		});
		signal?.throwIfAborted();
		say("");
		tries += 1;
	}
}

/** Finds out why a request had no answer at all. @param {File} file */
async function explainFailure(file) {
	const isReadable = await file.slice(0, 1).arrayBuffer().catch(() => null);
	if (!isReadable) return new Problem("The file cannot be read", "It has changed; choose it again.");
	const size = file.size > 1e6 ? " Or the file is too large, and the connection was closed." : "";
	return unreachable(size);
}

/** @param {string} [hint] */
const unreachable = (hint = "") =>
	new Problem("The service cannot be reached", `Check the network, and the service at ${locate(".")}.${hint}`);

/** @param {Response} response @returns {Promise<any>} */
async function readProblem(response) {
	const { status, statusText } = response;
	const { title, detail } = await response.json().catch(() => ({}));
	if (title && detail) return new Problem(title, detail);
	const size = status === 413 ? "The file is too large for the server in front of it." : "";
	return new Problem("The service did not answer", `It got ${status} ${statusText}. ${size}`);
}

/** @type {(header: string, total: number) => Stage[]} */
function readStages(header, total) {
	const stages = [...header.matchAll(/([\w-]+)[^,]*?;dur=([\d.]+)/g)].map(([, name, ms]) => ({ name, ms: +ms }));
	const known = stages.reduce((sum, { ms }) => sum + ms, 0);
	return [...stages, { name: "network and the rest", ms: Math.max(0, total - known) }];
}
