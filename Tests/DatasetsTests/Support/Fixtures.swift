/// Files written by NumPy 2.4 and Python's gzip and bz2.
///
/// The features are [[0, 1.5], [-2, 3], [4, 255]] (uint8: [[0, 1], [128, 255], [7, 9]]), the labels [2, 0, 1], and the
/// IDX array is 0…11 in three rows.
enum Fixtures {
  static let uint8Features = numpy(
    1, "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 2), }", padding: 58, "000180ff0709")
  static let float32Features = numpy(
    1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", padding: 58,
    "000000000000c03f000000c0000040400000804000007f43")
  static let float64Features = numpy(
    1, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }", padding: 58,
    "0000000000000000000000000000f83f00000000000000c0000000000000084000000000000010400000000000e06f40")
  static let threeAxes = numpy(
    1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2, 2), }", padding: 55,
    "000000000000803f0000004000004040000080400000a0400000c0400000e04000000041000010410000204100003041")
  static let versionTwo = numpy(
    2, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", padding: 56,
    "000000000000c03f000000c0000040400000804000007f43")
  static let versionThree = numpy(
    3, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", padding: 56,
    "000000000000c03f000000c0000040400000804000007f43")
  static let fortranOrder = numpy(
    1, "{'descr': '<f8', 'fortran_order': True, 'shape': (3, 2), }", padding: 59,
    "000000000000000000000000000000c00000000000001040000000000000f83f00000000000008400000000000e06f40")
  static let bigEndian = numpy(
    1, "{'descr': '>f4', 'fortran_order': False, 'shape': (3, 2), }", padding: 58,
    "000000003fc00000c00000004040000040800000437f0000")
  static let float16Features = numpy(
    1, "{'descr': '<f2', 'fortran_order': False, 'shape': (3, 2), }", padding: 58, "0000003e00c000420044f85b")
  static let complexFeatures = numpy(
    1, "{'descr': '<c8', 'fortran_order': False, 'shape': (3, 2), }", padding: 58,
    "00000000000000000000c03f00000000000000c0000000000000404000000000000080400000000000007f4300000000")
  static let records = numpy(
    1, "{'descr': [('a', '<f4'), ('b', '<i8', (2,))], 'fortran_order': False, 'shape': (3,), }", padding: 31,
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
  )
  static let noExamples = numpy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4), }", padding: 58, "")
  static let booleanLabels = numpy(
    1, "{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }", padding: 60, "010001")
  static let floatLabels = numpy(
    1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", padding: 60, "00000040000000000000803f")
  static let columnLabels = numpy(
    1, "{'descr': '<i4', 'fortran_order': False, 'shape': (3, 1), }", padding: 58, "020000000000000001000000")
  static let oneHotLabels = numpy(
    1, "{'descr': '<i4', 'fortran_order': False, 'shape': (3, 3), }", padding: 58,
    "010000000000000000000000000000000100000000000000000000000000000001000000")
  static let hugeLabels = numpy(
    1, "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }", padding: 60,
    "010000000000000000000000000100000000000000000000")
  static let labelsU1 = numpy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", padding: 60, "020001")
  static let labelsI1 = numpy(1, "{'descr': '|i1', 'fortran_order': False, 'shape': (3,), }", padding: 60, "020001")
  static let labelsU2 = numpy(
    1, "{'descr': '<u2', 'fortran_order': False, 'shape': (3,), }", padding: 60, "020000000100")
  static let labelsI2 = numpy(
    1, "{'descr': '<i2', 'fortran_order': False, 'shape': (3,), }", padding: 60, "020000000100")
  static let labelsU4 = numpy(
    1, "{'descr': '<u4', 'fortran_order': False, 'shape': (3,), }", padding: 60, "020000000000000001000000")
  static let labelsI4 = numpy(
    1, "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }", padding: 60, "020000000000000001000000")
  static let labelsU8 = numpy(
    1, "{'descr': '<u8', 'fortran_order': False, 'shape': (3,), }", padding: 60,
    "020000000000000000000000000000000100000000000000")
  static let labelsI8 = numpy(
    1, "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }", padding: 60,
    "020000000000000000000000000000000100000000000000")
  static let plainIDX = bytes("000008020000000300000004000102030405060708090a0b")
  static let gzipIDX = bytes("1f8b08000000000002036360e0606260606006621606462666165636760e4e2e6e0045d3c08418000000")
  static let twoMemberIDX = bytes(
    "1f8b08000000000002036360e0606260606066000001a803b3090000001f8b08000000000002036360606160646266616563e7e0e4e206007b66cffe0f000000"
  )
  static let gzipShortIDX = bytes("1f8b08000000000002036360e0606260606006621606462666165636760e4e2e003eebf87117000000")
  static let gzipLongIDX = bytes(
    "1f8b08000000000002036360e0606260606006621606462666165636760e4e2e6e0600419a30d419000000")
  static let gzipHugeIDX = bytes("1f8b08000000000002036360e060fa0f04020c0c0c0014d9308c0c000000")
  static let gzipNPY = bytes(
    "1f8b08000000000002039bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a2aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91ac63a0a469a3a0ab50a64032e063038600f2218181c1c18181a80b8de1900d117d23898000000"
  )
  static let bzip2IDX = bytes(
    "425a68393141592653593a00062f00000240007ff8200021a8f533536810340d03e232480d15d53fa87579a2ee48a70a12074000c5e0"
  )
  /// Three members, one of which is empty.
  static let memberBzip2IDX = bytes(
    "425a6831314159265359265da952000002400058402000212340cd34561a9c5dc914e142409976a548425a683917724538509000000000425a6839314159265359e858633c000000c0007ff82000220320040d034073c07266af37bc5dc914e14243a1618cf0"
  )
  static let bzip2ShortIDX = bytes(
    "425a683931415926535907befbdd00000240007ff020003100d34d03468680608ea206a29d55e4ee778bb9229c284803df7dee80"
  )
  static let bzip2LongIDX = bytes(
    "425a68393141592653594a49d40d000002c0007ff820002200d06840d0341e0c2d3226870c2af27738f8bb9229c28482524ea068"
  )
  static let bzip2HugeIDX = bytes(
    "425a6839314159265359c473f423000002e00050604000200030cd0094f51ea43921cc878bb9229c28486239fa1180"
  )
  static let bzip2NPY = bytes(
    "425a6839314159265359933a971200002b5fa07ff840e42d1001034220af45df0e0800200054451e90000003400313108a6462346800d190000681c7dadc6c8533af1dfa508f6309c120218c74f398985005248a5316602b42c7ec36dcfc4c648c2921c0826032051629402a7e25fc04b57f8bb9229c2848499d4b8900"
  )
  /// "a 1:0.5", "b 3:3", without a final newline.
  static let gzipText = bytes("1f8b08000000000002034b5430b432d033e54a5230b63206001c6e8c340d000000")

  static let bzip2Text = bytes(
    "425a6839314159265359c64abc2b000005d900001040016a103000200021a034c8400c0a65913c987e2ee48a70a1218c957856"
  )

  static func bytes(_ hexadecimal: String) -> [UInt8] {
    let digits = Array(hexadecimal.utf8).map { $0 < 0x3a ? $0 - 0x30 : $0 - 0x61 + 10 }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }

  /// A file with `padding` spaces between the dictionary and the final newline; the elements are in hexadecimal.
  static func numpy(_ version: UInt8, _ dictionary: String, padding: Int = 0, _ elements: String) -> [UInt8] {
    let header = Array(dictionary.utf8) + [UInt8](repeating: 0x20, count: padding) + [0x0a]
    let length = (0..<(version == 1 ? 2 : 4)).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
    return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + header + bytes(elements)
  }

  /// An IDX file with extents and elements in big-endian bytes.
  static func idx(_ code: UInt8, _ extents: [UInt32], _ elements: [UInt8]) -> [UInt8] {
    [0, 0, code, UInt8(extents.count)] + extents.flatMap(bigEndian) + elements
  }

  static func bigEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    (0..<Number.bitWidth / 8).reversed().map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
  }

  /// A gzip member that stores its contents uncompressed.
  static func storedMember(_ bytes: [UInt8]) -> [UInt8] {
    func little(_ number: Int, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }
    var crc = UInt32.max
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1) * 0xedb8_8320 }
    }
    return [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1] + little(bytes.count, 2) + little(~bytes.count, 2) + bytes
      + little(Int(~crc), 4) + little(bytes.count, 4)
  }
}
