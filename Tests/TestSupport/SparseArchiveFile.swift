/// Files of sparse matrices as `scipy.sparse.save_npz` writes them.
package enum SparseArchiveFile {
  /// The bytes of a matrix, with indices in 32 or 64 bits.
  package static func bytes(
    shape: [Int], starts: [Int], indices: [Int], values: [Double], format: String = "csr", isWide: Bool = false,
    isDeflated: Bool = false
  ) -> [UInt8] {
    func numbers(_ numbers: [Int]) -> (type: String, bytes: [UInt8]) {
      isWide
        ? ("<i8", numbers.flatMap { little(Int64($0)) }) : ("<i4", numbers.flatMap { little(Int32($0)) })
    }
    let (rows, columns) = (numbers(starts), numbers(indices))
    let members = [
      ("indices", array(columns.type, [indices.count], columns.bytes)),
      ("indptr", array(rows.type, [starts.count], rows.bytes)),
      ("format", array("|S\(format.utf8.count)", [], Array(format.utf8))),
      ("shape", array("<i8", [shape.count], shape.flatMap { little(Int64($0)) })),
      ("data", array("<f8", [values.count], values.flatMap { little($0.bitPattern) })),
    ]
    return ZipFile.bytes(members.map { .init(name: "\($0).npy", contents: $1, isDeflated: isDeflated) })
  }

  private static func array(_ type: String, _ shape: [Int], _ values: [UInt8]) -> [UInt8] {
    let extents = shape.map { "\($0)," }.joined()
    let header = "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(extents)), }\n"
    return [0x93] + Array("NUMPY".utf8) + [1, 0] + little(UInt16(header.utf8.count)) + Array(header.utf8) + values
  }

  private static func little<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
  }
}
