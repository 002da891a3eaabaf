// A client of Connect, given nothing but descriptors: buf's image of proto/.
// Answers a list of calls, each {transport, method, message, bearer}, with what
// came of them: {answer} or {code, message, reason}.
import { readFileSync } from "node:fs";
import { createFileRegistry, fromBinary, fromJson, toJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";

const { image, url, calls } = JSON.parse(readFileSync(0, "utf8"));
const files = fromBinary(FileDescriptorSetSchema, readFileSync(image));
const service = createFileRegistry(files).getService("tokenward.auth.v1.AuthService");

const transports = {
  "connect-json": createConnectTransport({ baseUrl: url, httpVersion: "1.1" }),
  "connect-proto": createConnectTransport({ baseUrl: url, httpVersion: "2", useBinaryFormat: true }),
  "grpc-web": createGrpcWebTransport({ baseUrl: url, httpVersion: "1.1" }),
  "grpc-web-h2": createGrpcWebTransport({ baseUrl: url, httpVersion: "2" }),
};

async function make({ transport, method, message, bearer }) {
  const client = createClient(service, transports[transport]);
  const { input, output } = service.method[method];
  const headers = bearer ? { authorization: `Bearer ${bearer}` } : {};
  try {
    const answer = await client[method](fromJson(input, message), { headers, timeoutMs: 60000 });
    return { answer: toJson(output, answer, { alwaysEmitImplicit: true }) };
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    const info = error.details.find(({ type }) => type === "google.rpc.ErrorInfo");
    return { code: Code[error.code], message: error.rawMessage, reason: info?.debug?.reason, details: error.details.length };
  }
}

const results = [];
for (const call of calls) results.push(await make(call));
console.log(JSON.stringify(results));
// HTTP/2 sessions would keep the process for a while.
process.exit(0);
