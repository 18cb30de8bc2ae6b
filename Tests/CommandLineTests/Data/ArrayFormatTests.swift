import Datasets
import Foundation
import LinearAlgebra
import TestSupport
import Testing

extension DataTests {
  /// An array trains and predicts to the same bits for any type, order and file format as a float32 or float64 array in
  /// row order with equal values.
  @Suite("Arrays of all kinds")
  struct ArrayFormatTests {
    private static let (rows, height, width, classes) = (40, 3, 5, 4)

    private struct Kind: Sendable {
      let numpy: String
      let safetensors: String
      let size: Int
      let isWide: Bool
      let bytes: @Sendable (Double) -> [UInt8]

      init<Bits: FixedWidthInteger & SendableMetatype>(
        _ numpy: String, _ safetensors: String, isWide: Bool = false, _ bits: @escaping @Sendable (Double) -> Bits
      ) {
        (self.numpy, self.safetensors, self.isWide) = (numpy, safetensors, isWide)
        size = Bits.bitWidth / 8
        bytes = { number in withUnsafeBytes(of: bits(number).littleEndian) { Array($0) } }
      }
    }

    /// Values are 0 or 1, which each type represents, or whole numbers below 100, or halves as well where the type has
    /// them.
    private static let kinds = [
      Kind("b1", "BOOL") { UInt8($0) }, Kind("u1", "U8") { UInt8($0) }, Kind("i1", "I8") { Int8($0) },
      Kind("u2", "U16") { UInt16($0) }, Kind("i2", "I16") { Int16($0) }, Kind("u4", "U32", isWide: true) { UInt32($0) },
      Kind("i4", "I32", isWide: true) { Int32($0) }, Kind("u8", "U64", isWide: true) { UInt64($0) },
      Kind("i8", "I64", isWide: true) { Int64($0) }, Kind("f2", "F16") { Float16($0).bitPattern },
      Kind("V2", "BF16") { UInt16(Float($0).bitPattern >> 16) }, Kind("f4", "F32") { Float($0).bitPattern },
      Kind("f8", "F64", isWide: true) { $0.bitPattern },
    ]

    private func npy(_ descriptor: String, _ shape: [Int], isFortran: Bool, _ data: [UInt8]) -> [UInt8] {
      let extents = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
      let header =
        "{'descr': '\(descriptor)', 'fortran_order': \(isFortran ? "True" : "False"), 'shape': (\(extents)), }\n"
      return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8) + data
    }

    private func safetensors(_ type: String, _ shape: [Int], _ data: [UInt8]) -> [UInt8] {
      // With an odd length, values are not aligned.
      var header = "{\"x\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":[0,\(data.count)]}}"
      if header.utf8.count % 2 == 0 { header += " " }
      return (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) } + Array(header.utf8) + data
    }

    /// The bits of the logits after one step.
    private func logits(_ features: String, _ precision: String, in workspace: Workspace) throws -> [UInt8] {
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: '\(features)', labels: labels.npy}, normalize: standardize}
        training: {steps: 1, precision: \(precision)}
        """)
      try? FileManager.default.removeItem(atPath: workspace.path("run"))
      try Program.run(Fault.train, in: workspace).expectSuccess()
      try Program.run(
        .plain, ["predict", "run/model.safetensors", "--features", features, "--logits", "z.npy"], in: workspace
      ).expectSuccess()
      return try workspace.bytes("z.npy")
    }

    @Test func `Give the bits of the floats that they stand for`() throws {
      let workspace = Workspace()
      var generator = SplitMix64(seed: UInt64(Thoroughness.isFull ? Date.now.timeIntervalSince1970 : 26))
      let (rows, width, height) = (Self.rows, Self.width, Self.height)
      let labels = (0..<rows).map { Int64($0 < Self.classes ? $0 : Int(generator.next(below: UInt64(Self.classes)))) }
      try NPY.write(labels, to: workspace.path("labels.npy"))
      func below(_ bound: Int) -> Int { Int(generator.next(below: UInt64(bound))) }
      for (number, kind) in Self.kinds.enumerated() {
        let isHalf = ["f2", "V2", "f4", "f8"].contains(kind.numpy)
        let values = (0..<rows * height * width).map { _ in
          kind.numpy == "b1" ? Double(below(2)) : Double(below(100)) / (isHalf ? 2 : 1)
        }
        let columns = (0..<width).flatMap { x in
          (0..<height).flatMap { y in (0..<rows).map { values[($0 * height + y) * width + x] } }
        }
        let precision = number % 3 == 2 ? "float64" : "float32"
        let shape = [rows, height, width]
        let wide =
          kind.isWide
          ? values.flatMap { number in withUnsafeBytes(of: number) { Array($0) } }
          : values.flatMap { number in withUnsafeBytes(of: Float(number)) { Array($0) } }
        try workspace.write("x.npy", npy(kind.isWide ? "<f8" : "<f4", shape, isFortran: false, wide))
        let expected = try logits("x.npy", precision, in: workspace)

        let trials = Thoroughness.isFull ? 8 : 2
        for trial in 0..<trials {
          let container = Thoroughness.isFull ? trial % 4 : below(4)
          let isFortran = container < 3 && (Thoroughness.isFull ? trial >= 4 : below(2) == 1)
          let isBig = container < 3 && kind.size > 1 && kind.numpy != "V2" && below(2) == 1
          let data = (isFortran ? columns : values).flatMap { isBig ? kind.bytes($0).reversed() : kind.bytes($0) }
          let array = npy((kind.size == 1 ? "|" : isBig ? ">" : "<") + kind.numpy, shape, isFortran: isFortran, data)
          let name = ["y.npy", "y.npz", "y.npz:x", "y.safetensors:x"][container]
          let bytes =
            switch container {
            case 0: array
            case 1, 2: ZipFile.bytes([.init(name: "x.npy", contents: array, isDeflated: container == 1)])
            default: safetensors(kind.safetensors, shape, data)
            }
          try workspace.write(String(name.split(separator: ":")[0]), bytes)
          let found = try logits(name, precision, in: workspace)
          #expect(found == expected, "\(kind.numpy) \(name) Fortran \(isFortran) big-endian \(isBig) \(precision)")
        }
      }
    }
  }
}
