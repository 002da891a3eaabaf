// A client that uses the OAuth endpoints with oauth4webapi, which knows no more
// of the server than its metadata. What it is asked and tells is what
// oauth_client.py is asked and tells.

import { readFileSync } from 'node:fs'
import * as oauth from 'oauth4webapi'

const asked = JSON.parse(readFileSync(0, 'utf8'))
// The server of the test speaks plain HTTP, on loopback.
const options = { [oauth.allowInsecureRequests]: true }

const issuer = new URL(asked.issuer)
const found = await oauth.discoveryRequest(issuer, { ...options, algorithm: 'oauth2' })
const server = await oauth.processDiscoveryResponse(issuer, found)

const curve = { name: 'ECDSA', namedCurve: 'P-256' }
const key = await crypto.subtle.importKey('jwk', asked.key, curve, false, ['sign'])
const worker = { client_id: 'worker' }
const signer = { client_id: 'signer' }
const open = { client_id: 'default' }
const basic = oauth.ClientSecretBasic(asked.worker)

async function tokenOf(client, proof) {
  const form = new URLSearchParams({ scope: 'read' })
  const answer = await oauth.clientCredentialsGrantRequest(server, client, proof, form, options)
  return oauth.processClientCredentialsResponse(server, client, answer)
}

async function introspect(token) {
  const answer = await oauth.introspectionRequest(server, worker, basic, token, options)
  return oauth.processIntrospectionResponse(server, worker, answer)
}

const scopes = {
  client_secret_basic: (await tokenOf(worker, basic)).scope,
  client_secret_post: (await tokenOf(worker, oauth.ClientSecretPost(asked.worker))).scope,
  private_key_jwt: (await tokenOf(signer, oauth.PrivateKeyJwt({ key, kid: 'one' }))).scope,
}
const none = oauth.None()
const again = await oauth.refreshTokenGrantRequest(server, open, none, asked.refresh_token, options)
const refreshed = await oauth.processRefreshTokenResponse(server, open, again)
const before = await introspect(refreshed.access_token)
const revoked = await oauth.revocationRequest(server, open, none, refreshed.refresh_token, options)
const status = revoked.status
await oauth.processRevocationResponse(revoked)
const after = await introspect(refreshed.access_token)
// The library stops at the challenge, and leaves the body to its caller.
const guessing = tokenOf(worker, oauth.ClientSecretBasic('guess'))
const wrong = await guessing.catch((error) => error.response.json())
console.log(JSON.stringify({ scopes, before, revoked: status, after, wrong_secret: wrong.error }))
