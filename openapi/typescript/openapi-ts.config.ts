import { defineConfig } from "@hey-api/openapi-ts";

// See `make clients`.
export default defineConfig({
  input: "../openapi.json",
  output: "../clients/typescript",
  plugins: ["@hey-api/client-fetch", "@hey-api/sdk", "@hey-api/typescript"],
});
