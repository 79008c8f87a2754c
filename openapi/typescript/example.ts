// Every function of the generated client, against a running service: npx tsx example.ts URL IMAGE TEXT
import { openAsBlob } from "node:fs";

import { client } from "../clients/typescript/client.gen";
import {
  classifyTask,
  health,
  labels,
  modelInfer,
  modelMetadata,
  predict,
  predictBatch,
  predictBatchJson,
  predictJson,
  predictRaw,
} from "../clients/typescript/sdk.gen";
import type { InputTensor, Problem } from "../clients/typescript/types.gen";

const [url = "http://127.0.0.1:8000", image = "", text = "", key] = process.argv.slice(2);
client.setConfig({ baseUrl: url, auth: key });

const file = await openAsBlob(image);
const base64 = Buffer.from(await file.arrayBuffer()).toString("base64");
const query = { top_k: 2, scores: "all" } as const;
const tensor: InputTensor = { name: "image", datatype: "BYTES", shape: [1], data: [base64] };

const model = await modelMetadata({ path: { name: "vitrine-digits" } });
const name = model.data?.name ?? "unknown";
const refused = await predict({ body: { file: await openAsBlob(text) } });
const problem: Problem | undefined = refused.error;

console.log(
  JSON.stringify({
    predict: (await predict({ body: { file }, query })).data,
    raw: (await predictRaw({ body: file, query })).data,
    json: (await predictJson({ body: { image: base64 }, query })).data,
    batch: (await predictBatch({ body: { files: [file, file] }, query })).data,
    batchJson: (await predictBatchJson({ body: { images: [{ image: base64 }] }, query })).data,
    task: (await classifyTask({ body: { inputs: base64, parameters: { top_k: 2 } } })).data,
    model: model.data,
    infer: (await modelInfer({ path: { name }, body: { inputs: [tensor] } })).data,
    labels: (await labels()).data,
    health: (await health()).data,
    refused: problem,
  }),
);
