// An Express application with express-oauth2-jwt-bearer, which finds the keys
// by discovery.

import express from "express";
import { auth } from "express-oauth2-jwt-bearer";
import { once } from "node:events";
import { asked, serve } from "./library.mjs";

const app = express();
app.use(auth({ issuerBaseURL: asked.issuer, audience: asked.audience, strict: true }));
app.get("/", (_, response) => response.send());
app.use((error, _request, response, _next) => response.status(error.status ?? 500).send(error.message));

const server = app.listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${server.address().port}/`;

async function judge(token) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const response = await fetch(url, { headers });
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
}

await serve(judge, "express-oauth2-jwt-bearer");
