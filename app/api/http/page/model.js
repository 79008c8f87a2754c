/** The model that answers: its name, its labels, and whether it can explain them. */

import { find } from "./dom.js";
import { read } from "./service.js";

/**
 * What GET /labels answers.
 * @type {{model: {id: string, revision: string}, labels: {label: string}[],
 *   explanation?: {reason: string|null}}|null}
 */
let known = null;

/** Learns the labels of a revision. @param {string} [revision] */
export async function learnModel(revision) {
	if (known && known.model.revision === revision) return;
	known = await read("labels").catch(() => known);
	if (known) showModel(known.model);
}

/** @param {{id: string, revision: string}} model */
export function showModel({ id, revision }) {
	find("model").textContent = `${id} · ${revision.slice(0, 12)}`;
	find("model").title = revision;
}

/** @param {number} id */
export const nameLabel = (id) => known?.labels[id]?.label;

/** Tells why it explains no label; while that is not known, it is asked. */
export const whyNot = () => known && (known.explanation ?? { reason: "the service does not offer it." }).reason;

export const canExplain = () => !whyNot();
