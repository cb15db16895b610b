import { originalAnnotation } from '../../values/keys.ts'
import { limits } from '../../values/limits.ts'
import type { KubeObject } from '../../values/object.ts'
import type { Draft } from '../draft.ts'
import { type Original, readOriginal, recordText, writeRecord } from './original.ts'

/** Signs what admission records on a service, and recognizes its own signatures. */
export interface RecordSigner {
  /** The signature of a statement: 43 characters of base64url; empty if there is no key. */
  sign(statement: string): string
  verify(statement: string, signature: string): boolean
}

/** For manifests in files: accepts every record and signs none. */
export const trustingSigner: RecordSigner = { sign: () => '', verify: () => true }

/** The identity of the service that a record is signed for. */
export interface RecordSubject {
  kind: string
  namespace: string
  /** The name; for a service that has none yet, its generateName and a `*`. */
  name: string
}

/** The record on a service, and whether admission wrote it for this service. */
export interface ServiceRecord {
  original: Original
  isProven: boolean
  /** The annotation as it is. */
  text: string
}

const signatureLength = 43
const proofStart = ',"proof":"'
const proofEnd = '"}'

/**
 * Reads the record of a service, or its copy on a pod. Everyone who can write the service can write a record:
 * only a proven record shows that admission rewrote this service.
 */
export function readRecord(
  object: KubeObject,
  signer: RecordSigner,
  subject = subjectOf(object),
): ServiceRecord | undefined {
  const text = object.metadata.annotations?.[originalAnnotation]
  if (typeof text !== 'string' || text.length > limits.annotationBytes) return undefined
  const original = readOriginal(object)
  if (original === undefined) return undefined
  return { original, isProven: isProven(object, { text, signer, subject }), text }
}

/** The record that admission wrote on an object; undefined if there is none or its signature is invalid. */
export function provenOriginal(
  object: KubeObject,
  signer: RecordSigner,
  subject?: RecordSubject,
): Original | undefined {
  const record = readRecord(object, signer, subject)
  return record?.isProven ? record.original : undefined
}

/**
 * Writes a record, signed for its service. If a record in `kept` has the same content, writes that text with
 * its signature, because a changed annotation would roll the pods.
 */
export function writeSigned(
  draft: Draft,
  original: Original,
  {
    signer,
    subject,
    kept,
  }: { signer: Pick<RecordSigner, 'sign'>; subject: RecordSubject; kept: ServiceRecord[] },
): void {
  const plain = recordText(original)
  const same = kept.find(({ text }) => splitProof(text).plain === plain)
  writeRecord(draft, original, same?.text ?? withProof(plain, signer.sign(statementOf(subject, plain))))
}

export function subjectOf(
  { kind, metadata }: KubeObject,
  namespace = metadata.namespace ?? '',
): RecordSubject {
  return { kind, namespace, name: metadata.name || generated(metadata.generateName ?? '') }
}

function isProven(
  { metadata: { generateName = '' } }: KubeObject,
  { text, signer, subject }: { text: string; signer: RecordSigner; subject: RecordSubject },
): boolean {
  const { plain, signature } = splitProof(text)
  const names = [subject.name]
  // Admission may have signed the record before the API server generated the name.
  if (generateName !== '' && subject.name.startsWith(generateName)) names.push(generated(generateName))
  return names.some((name) => signer.verify(statementOf({ ...subject, name }, plain), signature))
}

function generated(generateName: string): string {
  return `${generateName}*`
}

/** The signed text. It is JSON, so that different subjects and records never have the same text. */
function statementOf({ kind, namespace, name }: RecordSubject, plain: string): string {
  return JSON.stringify([originalAnnotation, kind, namespace, name, plain])
}

function withProof(plain: string, signature: string): string {
  return signature === '' ? plain : `${plain.slice(0, -1)}${proofStart}${signature}${proofEnd}`
}

/** The text of a record without its signature. */
export function plainText(text: string): string {
  return splitProof(text).plain
}

/** Splits the signature off a record; empty if the record has none. */
function splitProof(text: string): { plain: string; signature: string } {
  const start = text.length - proofEnd.length - signatureLength - proofStart.length
  const isSigned = start > 0 && text.startsWith(proofStart, start) && text.endsWith(proofEnd)
  if (!isSigned) return { plain: text, signature: '' }
  const from = start + proofStart.length
  return { plain: `${text.slice(0, start)}}`, signature: text.slice(from, from + signatureLength) }
}
