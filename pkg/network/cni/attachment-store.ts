import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, Fault, faultCode } from '#errors/fault.ts';
import type { Log } from '#log/log.ts';
import { writeDurably } from '#store/durable-file.ts';
import { type Attachment, attachmentText, fileNameOf, parseAttachment } from './attachment.ts';

/**
 * The attachments, in memory and in a file each: `<directory>/results/<network>-<id>-eth0`, in the
 * place and the form of the Go library's cache. Files rather than records of the database, so that
 * other tools can read them and so that, where a DEL can never succeed, an operator can remove one.
 */
export class AttachmentStore {
  readonly #results: string;
  readonly #temporary: string;
  readonly #log: Log;
  readonly #attachments = new Map<string, Attachment>();

  constructor(directory: string, log: Log) {
    this.#results = join(directory, 'results');
    // On the same filesystem, and not where somebody looks for attachments.
    this.#temporary = join(directory, 'incoming');
    this.#log = log;
  }

  /** Reads what an earlier daemon left. A file that cannot be read is told of, and left. */
  async load(): Promise<void> {
    await rm(this.#temporary, { recursive: true, force: true });
    for (const folder of [this.#results, this.#temporary]) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
    }
    for (const name of await readdir(this.#results)) {
      const path = join(this.#results, name);
      try {
        const attachment = parseAttachment(await readFile(path, 'utf8'));
        this.#attachments.set(attachment.id, attachment);
      } catch (error) {
        this.#log.error({ path, reason: describe(error) }, 'a CNI attachment cannot be read');
      }
    }
  }

  find(id: string): Attachment | undefined {
    return this.#attachments.get(id);
  }

  all(): Attachment[] {
    return [...this.#attachments.values()];
  }

  /** It is on the disk when this resolves. In memory it is changed even if that fails. */
  async put(attachment: Attachment): Promise<void> {
    this.#attachments.set(attachment.id, attachment);
    try {
      const temporary = join(this.#temporary, attachment.id);
      await writeDurably(this.#pathOf(attachment), attachmentText(attachment), temporary);
    } catch (cause) {
      throw new Fault(faultCode(cause), `record the CNI attachment of pod "${attachment.id}"`, {
        cause,
      });
    }
  }

  /** Whether nobody has removed its file. Rejects when the whole folder is not there. */
  async isOnDisk(attachment: Attachment): Promise<boolean> {
    return (await readdir(this.#results)).includes(fileNameOf(attachment));
  }

  /** Nothing is owed for it any more. */
  async delete(attachment: Attachment): Promise<void> {
    await rm(this.#pathOf(attachment), { force: true });
    this.#attachments.delete(attachment.id);
  }

  #pathOf(attachment: Attachment): string {
    return join(this.#results, fileNameOf(attachment));
  }
}
