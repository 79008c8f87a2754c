/** Starts the page: one picture goes to the viewer, several go to the contact sheet. */

import { ContactSheet } from "./contact_sheet.js";
import { listenForPictures } from "./intake.js";
import { listenForKey } from "./key.js";
import { learnModel } from "./model.js";
import { hideProblem } from "./notices.js";
import { listenForCopy } from "./snippet.js";
import { Viewer } from "./viewer.js";

const viewer = new Viewer();
const sheet = new ContactSheet((file) => take([file]), () => viewer.stop());

/** @param {File[]} files */
function take(files) {
	hideProblem();
	if (files.length === 1) viewer.open(files[0]);
	else sheet.add(files);
}

listenForPictures(take);
listenForKey();
listenForCopy();
learnModel();
