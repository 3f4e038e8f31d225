import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './kafka-jars';

/** A certificate that signs itself, for 127.0.0.1 and localhost. */
export interface Certificate {
  /** PEM; also what a client trusts. */
  readonly certificate: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Key and certificate in one PEM file. */
  readonly bothFile: string;
}

/** Makes one with openssl. */
export async function makeCertificate(folder: string): Promise<Certificate> {
  const [certificateFile, keyFile, bothFile] = ['certificate.pem', 'key.pem', 'both.pem'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
  const names = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  await run('openssl', [...request, ...names, '-keyout', keyFile, '-out', certificateFile], folder);
  const certificate = readFileSync(certificateFile, 'utf8');
  writeFileSync(bothFile, readFileSync(keyFile, 'utf8') + certificate, { mode: 0o600 });
  return { certificate, certificateFile, keyFile, bothFile };
}
