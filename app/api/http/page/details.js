/** What is behind an answer: the part that the model saw, and the time that each stage took. */

import { find, make } from "./dom.js";
import { context } from "./picture.js";
/** @import { Explained, Size, Stage } from "./service.js" */

const EDGE = 224;

/** @param {Stage[]} stages */
export function showTime(stages) {
	const total = stages.reduce((sum, { ms }) => sum + ms, 0);
	find("timeline").replaceChildren(...stages.map(() => make("span")));
	stages.forEach(({ ms }, i) => (find("timeline").children[i].style.flexGrow = ms / total));
	const lines = [...stages, { name: "all together", ms: total }];
	find("stages").replaceChildren(
		...lines.map(({ name, ms }) => make("li", {}, make("span", {}, name), make("span", {}, `${ms.toFixed(1)} ms`))),
	);
}

/**
 * Shows the part of a picture that the model saw, and how relevance was found.
 * @type {(source: HTMLCanvasElement|null, explained?: Explained, size?: Size) => void}
 */
export function showCrop(source, explained, size) {
	const crop = explained?.crop;
	find("crop").hidden = !source || !crop;
	if (!source || !crop || !size) return;
	const canvas = find("crop").querySelector("canvas");
	const scale = EDGE / Math.max(crop.width, crop.height);
	Object.assign(canvas, { width: crop.width * scale, height: crop.height * scale });
	const target = context(canvas);
	target.imageSmoothingQuality = "high";
	target.drawImage(source, -crop.left * scale, -crop.top * scale, size.width * scale, size.height * scale);
	const { method, layers } = explained;
	const depth = layers ? `, layers ${layers.first} to ${layers.last} of ${layers.total}` : "";
	find("method").textContent = `Heatmap by ${method.replaceAll("_", " ")}${depth}. It is no proof of a cause.`;
}
