// An issuer of OAuth 2 tokens for tests: oidc-provider, with a grant that makes a token for whomever the test names.
// usage: node issuer.mjs PORT CLIENT_ID CLIENT_SECRET
import { createRequire } from 'node:module';

// Modules are where the tests installed them: NODE_PATH, which only require() heeds.
const { default: Provider } = await import(createRequire(import.meta.url).resolve('oidc-provider'));
const [port, id, secret] = process.argv.slice(2);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    { client_id: 'phone', client_secret: 'phone', grant_types: ['test'], response_types: [], redirect_uris: [] },
    { client_id: id, client_secret: secret, grant_types: [], response_types: [], redirect_uris: [] },
  ],
  features: { introspection: { enabled: true }, revocation: { enabled: true }, devInteractions: { enabled: false } },
  scopes: ['mail', 'web'],
  ttl: { AccessToken: 3600 },
});

provider.registerGrantType('test', async (ctx, next) => {
  const { user, scope, lifetime } = ctx.oidc.params;
  const token = new provider.AccessToken({ accountId: user, client: ctx.oidc.client, scope, expiresIn: Number(lifetime) });
  ctx.body = { access_token: await token.save(), token_type: 'Bearer' };
  await next();
}, ['user', 'scope', 'lifetime']);

provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
