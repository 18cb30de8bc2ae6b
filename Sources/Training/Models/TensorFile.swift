import Foundation
import LinearAlgebra

/// Numbers of one type in row-major order, as a file stores them (little-endian).
package struct Tensor: Equatable, Sendable {
  package enum DataType: String, Sendable, CaseIterable {
    case float32 = "F32"
    case float64 = "F64"
    case float16 = "F16"
    case bfloat16 = "BF16"
    case int64 = "I64"
    case int32 = "I32"
    case uint8 = "U8"

    package var isFloatingPoint: Bool { [.float32, .float64, .float16, .bfloat16].contains(self) }

    /// The size of one element in bytes.
    package var width: Int {
      switch self {
      case .float64, .int64: 8
      case .float32, .int32: 4
      case .float16, .bfloat16: 2
      case .uint8: 1
      }
    }
  }

  package let dtype: DataType
  package let shape: [Int]
  package let bytes: [UInt8]

  /// Precondition: the count of `bytes` matches `shape` and `dtype`.
  package init(dtype: DataType, shape: [Int], bytes: [UInt8]) {
    precondition(shape.reduce(dtype.width, *) == bytes.count, "a tensor's bytes must fill its shape")
    self.dtype = dtype
    self.shape = shape
    self.bytes = bytes
  }

  /// A copy of `elements`; without a shape, a tensor of one axis.
  package init<Element: TensorElement>(_ elements: [Element], shape: [Int]? = nil) {
    let bytes = elements.withUnsafeBytes { Array($0) }
    self.init(dtype: Element.dataType, shape: shape ?? [elements.count], bytes: bytes)
  }

  /// A copy of `vector`; without a shape, a tensor of one axis.
  package init<Scalar: BLASScalar>(_ vector: Vector<Scalar>, shape: [Int]? = nil) {
    let bytes = vector.withElements { Array(UnsafeRawBufferPointer($0)) }
    self.init(dtype: Self.type(of: Scalar.self), shape: shape ?? [vector.count], bytes: bytes)
  }

  static func type<Scalar: BLASScalar>(of _: Scalar.Type) -> DataType {
    Scalar.self == Float.self ? .float32 : .float64
  }

  package var count: Int { bytes.count / dtype.width }

  /// Whether all numbers are finite.
  var isFinite: Bool {
    func isFinite<Scalar: BLASScalar>(_: Scalar.Type) -> Bool {
      count == 0 || bytes.withUnsafeBytes { Scalar.isFinite($0.bindMemory(to: Scalar.self).baseAddress!, count) }
    }
    /// Tests half-precision numbers: one that is not finite has all bits of its exponent set.
    func isFinite(exponent: UInt16) -> Bool {
      bytes.withUnsafeBytes { $0.bindMemory(to: UInt16.self).allSatisfy { $0 & exponent != exponent } }
    }
    return switch dtype {
    case .float32: isFinite(Float.self)
    case .float64: isFinite(Double.self)
    case .float16: isFinite(exponent: 0x7c00)
    case .bfloat16: isFinite(exponent: 0x7f80)
    case .int64, .int32, .uint8: true
    }
  }
}

/// A part of a tensor, which stands for the tensor where no more of it is needed.
struct TensorPart {
  /// The elements that it has, in ascending order.
  let ranges: [Range<Int>]
  let shape: [Int]

  static let nothing = TensorPart(ranges: [], shape: [0])
}

/// A number type for the elements of a tensor.
package protocol TensorElement: BitwiseCopyable {
  static var dataType: Tensor.DataType { get }
}
extension Float: TensorElement { package static var dataType: Tensor.DataType { .float32 } }
extension Double: TensorElement { package static var dataType: Tensor.DataType { .float64 } }
extension Int64: TensorElement { package static var dataType: Tensor.DataType { .int64 } }
extension Int32: TensorElement { package static var dataType: Tensor.DataType { .int32 } }
extension UInt8: TensorElement { package static var dataType: Tensor.DataType { .uint8 } }

/// The contents of a safetensors file: named tensors in order, and named strings. `Safetensors` reads and writes it.
package struct TensorFile: Sendable {
  package struct Entry: Equatable, Sendable {
    package let name: String
    /// The tensor, or the part of it that was read.
    package let tensor: Tensor
    /// The shape of the whole tensor.
    let shape: [Int]
  }

  /// The tensors, in the order of their data in the file. Names are unique.
  package private(set) var tensors: [Entry] = []
  package var metadata: [String: String] = [:]
  /// The file that this was read from, for error messages.
  package var path = "(not saved yet)"
  /// The digits of the checksum of that file; nil where it has none.
  var checksum: [UInt8]?
  private var positions: [String: Int] = [:]

  package init() {}

  /// Appends a tensor, or a part of one of this shape. Precondition: the name is new, and not the format's own `__metadata__`.
  package mutating func add(_ name: String, _ tensor: Tensor, partOf shape: [Int]? = nil) {
    precondition(name != Safetensors.metadataKey, "\(name) is reserved by the format")
    precondition(positions[name] == nil, "two tensors have the name \(name)")
    positions[name] = tensors.count
    tensors.append(Entry(name: name, tensor: tensor, shape: shape ?? tensor.shape))
  }

  package func contains(_ name: String) -> Bool { positions[name] != nil }

  /// The tensor with this name and, if one is given, this shape.
  package func tensor(named name: String, shape: [Int]? = nil) throws(StorageError) -> Tensor {
    let tensor = try entry(named: name).tensor
    if let shape { try check(name, tensor.shape, is: shape) }
    return tensor
  }

  /// Throws unless the whole tensor with this name has this shape.
  func check(_ name: String, isOf shape: [Int]) throws(StorageError) {
    try check(name, entry(named: name).shape, is: shape)
  }

  private func entry(named name: String) throws(StorageError) -> Entry {
    guard let position = positions[name] else {
      throw misfit(name, "is missing", "use a file that was saved for this model and optimizer")
    }
    return tensors[position]
  }

  private func check(_ name: String, _ shape: [Int], is expected: [Int]) throws(StorageError) {
    guard shape == expected else {
      throw misfit(
        name, "has shape \(shape) where \(expected) is expected", "use a file that was saved for this model and data")
    }
  }

  /// The elements of a floating-point tensor, converted between precisions where needed; 16-bit numbers convert
  /// exactly. Throws if the tensor is missing, has another shape or type, or has a number that exceeds float32.
  package func vector<Scalar: BLASScalar>(
    named name: String, shape: [Int]? = nil, as: Scalar.Type = Scalar.self
  ) throws(StorageError) -> Vector<Scalar> {
    let tensor = try tensor(named: name, shape: shape)
    let result = Vector<Scalar>(zeros: tensor.count)
    // Casts to the two concrete types, so that the loops below are specialised.
    switch (tensor.dtype, result as? Vector<Float>, result as? Vector<Double>) {
    case (.float32, .some, _), (.float64, _, .some):
      copy(tensor, to: result)
    case (.float32, _, let wide?):
      for index in 0..<tensor.count { wide[index] = Double(tensor.element(index, as: Float.self)) }
    case (.float64, let narrow?, _):
      for index in 0..<tensor.count {
        let number = tensor.element(index, as: Double.self)
        narrow[index] = Float(number)
        guard narrow[index].isFinite || !number.isFinite else {
          throw misfit(
            name, "has \(number) at element \(index), too large for float32", "set training.precision: float64")
        }
      }
    case (.float16, _, _), (.bfloat16, _, _):
      let isBrain = tensor.dtype == .bfloat16
      for index in 0..<tensor.count {
        let bits = tensor.element(index, as: UInt16.self)
        result[index] = Scalar(isBrain ? Float(bitPattern: UInt32(bits) << 16) : Float(Float16(bitPattern: bits)))
      }
    default:
      throw misfit(
        name, "holds \(tensor.dtype.rawValue) where F32, F64, F16 or BF16 is expected", "save it as one of these")
    }
    return result
  }

  /// The elements of a tensor of integers.
  package func integers(named name: String, shape: [Int]? = nil) throws(StorageError) -> [Int64] {
    let tensor = try tensor(named: name, shape: shape)
    let indices = 0..<tensor.count
    switch tensor.dtype {
    case .int64: return indices.map { tensor.element($0, as: Int64.self) }
    case .int32: return indices.map { Int64(tensor.element($0, as: Int32.self)) }
    case .uint8: return tensor.bytes.map { Int64($0) }
    case .float32, .float64, .float16, .bfloat16:
      throw misfit(name, "holds \(tensor.dtype.rawValue) where integers are expected", "save it as I64, I32 or U8")
    }
  }

  /// Stores `value` under `key` in the metadata, as JSON with sorted keys. Precondition: it has no NaN or infinity.
  package mutating func encode(_ value: some Encodable, forKey key: String) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      metadata[key] = String(decoding: try encoder.encode(value), as: UTF8.self)
    } catch {
      preconditionFailure("\(key) cannot be written as JSON: \(error)")
    }
  }

  /// The value that `encode` stored under `key`.
  package func decode<Value: Decodable>(_ type: Value.Type, forKey key: String) throws(StorageError) -> Value {
    try decode(forKey: key) { try JSONDecoder().decode(type, from: Data($0.utf8)) }
  }

  /// Decodes the text under `key` in the metadata with `decode`; an error of it is exit code 65 for that entry.
  func decode<Value>(forKey key: String, _ decode: (String) throws -> Value) throws(StorageError) -> Value {
    let section = "metadata \(StorageError.quoted(key))"
    let remedy = "use a file that this version of fgn-dist saved"
    guard let text = metadata[key] else {
      throw StorageError(.contents, path: path, section: section, problem: "is missing", remedy: remedy)
    }
    do {
      return try decode(text)
    } catch {
      throw StorageError(
        .contents, path: path, section: section, problem: "is not a valid \(Value.self): \(error)", remedy: remedy)
    }
  }

  /// Throws for a tensor with a number that is not finite.
  func requireFinite() throws(StorageError) {
    guard let entry = tensors.first(where: { !$0.tensor.isFinite }) else { return }
    throw misfit(entry.name, "has a number that is not finite", "use another file")
  }

  private func misfit(_ name: String, _ problem: String, _ remedy: String) -> StorageError {
    let section = "tensor \(StorageError.quoted(name))"
    return StorageError(.contents, path: path, section: section, problem: problem, remedy: remedy)
  }
}

extension TensorFile: Equatable {
  /// Compares contents; the path does not matter.
  package static func == (one: TensorFile, other: TensorFile) -> Bool {
    one.tensors == other.tensors && one.metadata == other.metadata
  }
}

extension Tensor {
  fileprivate func element<Element: BitwiseCopyable>(_ index: Int, as type: Element.Type) -> Element {
    bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: index * MemoryLayout<Element>.stride, as: type) }
  }
}

private func copy<Scalar: BLASScalar>(_ tensor: Tensor, to vector: Vector<Scalar>) {
  vector.withElements { elements in
    tensor.bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(elements).copyMemory(from: $0) }
  }
}
