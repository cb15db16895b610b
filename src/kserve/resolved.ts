import type { Endpoint } from './endpoint.ts'
import type { Unresolved } from './unresolved.ts'

/** References to what is secret, and the values of what is not. */
export type Credentials =
  | { kind: 'anonymous'; endpoint: Endpoint }
  | { kind: 'keys'; secretName: string; accessKeyId: string; secretAccessKey: string; endpoint: Endpoint }
  /** Both keys are inside one JSON value, that of the Secret's key `entry`: no reference reaches into it. */
  | { kind: 'entry'; secretName: string; entry: string; endpoint: Endpoint }
  | { kind: 'file'; secretName: string; file: string; endpoint: Endpoint }
  /** Mount options by name, each with the key of the Secret that holds its value. */
  | { kind: 'options'; secretName: string; options: { [option: string]: string }; endpoint: Endpoint }

export type Resolved = { ok: true; credentials: Credentials } | Unresolved
