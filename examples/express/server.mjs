// A service that everybody may read who is logged in, and editors may write to.
import express from "express";

import { authentication } from "./auth.mjs";

const needs = authentication(
  process.env.AUTH_ISSUER ?? "http://127.0.0.1:8080",
  process.env.AUTH_AUDIENCE ?? "api",
);
const app = express();
const articles = ["Tokens for all"];

app.get("/articles", needs(), (_request, response) => response.json(articles));

app.post("/articles", needs("articles:write"), express.json(), (request, response) => {
  articles.push(request.body.title);
  response.status(201).json({ author: request.claims.sub });
});

const server = app.listen(Number(process.env.PORT ?? 8000), "127.0.0.1", () =>
  console.log(`http://127.0.0.1:${server.address().port}`),
);
