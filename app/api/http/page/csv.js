/** The contact sheet as CSV (RFC 4180), safe to open in a spreadsheet. */

const HEAD = ["file", "label", "label_id", "score", "second_label", "second_score",
	"width", "height", "format", "model", "revision", "problem"];

/** Quotes a field; text that could be a formula gets an apostrophe before it. @param {any} value */
function quote(value = "") {
	const text = typeof value === "string" && /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : String(value);
	return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** @param {import("./contact_sheet.js").Row[]} rows */
export function formatCsv(rows) {
	const lines = rows.map(({ file, answer, problem }) => {
		const [first, second] = answer?.predictions ?? [];
		const { image, model } = answer ?? {};
		return [file.name, first?.label, first?.label_id, first?.score, second?.label, second?.score,
			image?.width, image?.height, image?.format, model?.id, model?.revision,
			problem && `${problem.title}: ${problem.detail}`];
	});
	return [HEAD, ...lines].map((line) => `${line.map((value) => quote(value)).join(",")}\r\n`).join("");
}

/** @param {string} text @param {string} name */
export function download(text, name) {
	const link = document.createElement("a");
	link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
	link.download = name;
	link.click();
	setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
