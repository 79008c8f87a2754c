/** Where pictures come from: chosen, photographed, dropped, pasted, or a sample. */

import { find, make } from "./dom.js";
import { showProblem } from "./notices.js";
import { Problem, get, locate, read } from "./service.js";

const SAMPLES = 10;

/** @typedef {(files: File[]) => void} Take */

/** @param {Take} take */
export function listenForPictures(take) {
	for (const id of ["choose", "photograph"])
		find(id).onchange = (/** @type {any} */ { target }) => {
			if (target.files.length) take([...target.files]);
			target.value = ""; // so that it can be chosen again
		};
	document.onpaste = (event) => {
		const files = [...(event.clipboardData?.files ?? [])];
		if (!files.length) return;
		event.preventDefault();
		take(files);
	};
	listenForDrops(take);
	showSamples(take);
}

/** @param {Take} take */
function listenForDrops(take) {
	const mark = (/** @type {boolean} */ isOver) => document.body.classList.toggle("dropping", isOver);
	document.ondragover = (event) => {
		event.preventDefault();
		mark(true);
	};
	document.ondragleave = (event) => mark(event.relatedTarget !== null);
	document.ondrop = (event) => {
		event.preventDefault();
		mark(false);
		const files = [...(event.dataTransfer?.files ?? [])];
		if (files.length) take(files);
		else showProblem(new Problem("This is no file", "Save the picture first, or copy and paste it."), "Drop");
	};
}

/** Shows samples, if the model has any. @param {Take} take */
async function showSamples(take) {
	/** @type {string[]} */
	const names = await read("page/samples").catch(() => []);
	const step = Math.ceil(names.length / SAMPLES);
	for (const name of names.filter((_, i) => i % step === 0)) {
		const route = `page/samples/${encodeURIComponent(name)}`;
		const open = () =>
			get(route)
				.then(async (response) => take([new File([await response.blob()], name)]))
				.catch((error) => showProblem(error, name, open));
		const image = make("img", { src: locate(route), alt: `Sample ${name}`, width: 64, height: 64 });
		find("samples").lastElementChild.append(make("li", {}, make("button", { onclick: open }, image)));
	}
	find("samples").hidden = !names.length;
}
