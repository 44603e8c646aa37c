/** A file whose content is broken or cut off, so that nothing after that place can be read. */
export class DamagedFile extends Error {
  /** Always "DamagedFile". */
  override name = "DamagedFile";
}
