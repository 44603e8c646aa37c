import { WeftError } from "../engine/weft_error.ts";
import { ByteWriter } from "./byte_writer.ts";
import { crc32 } from "./crc32.ts";

/** A file of an archive. */
export interface ZipEntry {
  /** Its name, with folders, of ASCII. */
  readonly name: string;
  /** Its bytes, fetched when they are written. */
  read(): Promise<Uint8Array<ArrayBuffer>>;
}

/** Where the contents of files begin: so a file of floats can be mapped as it is. */
const alignment = 64;
const zip64Version = 45, firstOfJanuary1980 = 0x21, inZip64 = 0xffffffff;
const zip64Field = 1, paddingField = 0x4246;

/**
 * A ZIP archive whose files are not compressed, each at a multiple of 64 bytes. The directory has numbers of 64 bits
 * throughout, so that an archive may pass 4 GiB; a single file may not. (PKWARE, APPNOTE.TXT 6.3.)
 *
 * @throws {WeftError} while it is read, at a file of 4 GiB or more.
 */
export async function* encodeZip(entries: Iterable<ZipEntry>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const directory = new ByteWriter();
  let offset = 0, count = 0;
  for (const { name, read } of entries) {
    const contents = await read();
    if (contents.length >= inZip64) throw new WeftError(`${name} has ${contents.length} bytes: 4 GiB are too many`);
    const checksum = crc32(contents);
    const start = (writer: ByteWriter): ByteWriter =>
      writer.u16(zip64Version).u16(0).u16(0).u16(0).u16(firstOfJanuary1980).u32(checksum);
    const unpadded = offset + 30 + name.length + 4, padding = -unpadded & (alignment - 1);
    const header = start(new ByteWriter().add("PK\x03\x04")).u32(contents.length).u32(contents.length);
    header.u16(name.length).u16(4 + padding).add(name).u16(paddingField).u16(padding).add(new Uint8Array(padding));
    yield header.bytes();
    yield contents;
    start(directory.add("PK\x01\x02").u16(zip64Version)).u32(inZip64).u32(inZip64);
    directory.u16(name.length).u16(28).u16(0).u16(0).u16(0).u32(0).u32(inZip64).add(name);
    directory.u16(zip64Field).u16(24).u64(contents.length).u64(contents.length).u64(offset);
    offset = unpadded + padding + contents.length;
    count++;
  }
  const size = directory.length, end = new ByteWriter();
  end.add("PK\x06\x06").u64(44).u16(zip64Version).u16(zip64Version).u32(0).u32(0).u64(count).u64(count).u64(size).u64(
    offset,
  );
  end.add("PK\x06\x07").u32(0).u64(offset + size).u32(1);
  end.add("PK\x05\x06").u16(0).u16(0).u16(0xffff).u16(0xffff).u32(inZip64).u32(inZip64).u16(0);
  yield directory.add(end.bytes()).bytes();
}
