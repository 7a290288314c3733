/** `rxfleet/auth`: who we are, kept valid, and shown with every call. */

export type { Credential } from '../core/credential.js';

// What keeps a credential valid
export { createCredentials } from './createCredentials.js';
export type { CredentialEvent, Credentials, CredentialsOptions } from './createCredentials.js';

// What shows it
export { bearer } from './bearer.js';
export type { BearerOptions } from './bearer.js';

// Where it comes from
export { anyCredential } from './anyCredential.js';
export type { AnyCredentialOptions, Granted } from './anyCredential.js';
export { fileCredential } from './fileCredential.js';
export type { FileCredentialOptions } from './fileCredential.js';
export { oauthClientCredentials } from './oauthClientCredentials.js';
export type { OauthClientCredentialsOptions } from './oauthClientCredentials.js';
export { staticCredential } from './staticCredential.js';
export type { StaticCredentialOptions } from './staticCredential.js';
export type { CredentialSource, Grant } from './credentialSource.js';
