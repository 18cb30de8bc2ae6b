import LinearAlgebra
import Testing

@testable import Training

@Suite struct TensorFileTests {
  @Test func `Float 32 becomes float 64 exactly`() throws {
    let numbers: [Float] = [0.1, -0.0, .leastNonzeroMagnitude, .greatestFiniteMagnitude, .infinity]
    let file = single(Tensor(numbers))
    let wide = try file.vector(named: "x", as: Double.self).array
    #expect(wide.map(\.bitPattern) == numbers.map { Double($0).bitPattern })
    let same = try file.vector(named: "x", as: Float.self).array
    #expect(same.map(\.bitPattern) == numbers.map(\.bitPattern))
  }

  @Test func `Float 64 becomes the nearest float 32`() throws {
    let file = single(Tensor([0.1, -1e-300, .infinity, 1 + 1e-9] as [Double]))
    #expect(try file.vector(named: "x", as: Float.self).array == [0.1, -0.0, .infinity, 1])
    #expect(try file.vector(named: "x", as: Double.self).array == [0.1, -1e-300, .infinity, 1 + 1e-9])
  }

  @Test func `A number that float 32 cannot hold is an error instead of an infinity`() {
    let file = single(Tensor([1, 1e39] as [Double]))
    let error = #expect(throws: StorageError.self) { try file.vector(named: "x", as: Float.self) }
    #expect(error?.exitCode == 65)
    #expect(error?.description.contains("\"x\": has 1e+39 at element 1") == true)
  }

  @Test func `Numbers of 16 bits become float32 and float64 exactly`() throws {
    func tensor(_ dtype: Tensor.DataType, _ bits: [UInt16]) -> Tensor {
      Tensor(dtype: dtype, shape: [bits.count], bytes: bits.flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] })
    }
    // 1, −2, the largest, the smallest subnormal, −0, infinity.
    let half = tensor(.float16, [0x3c00, 0xc000, 0x7bff, 1, 0x8000, 0x7c00])
    let numbers = [1, -2, 65504, 0x1p-24, -0.0, .infinity]
    // 1, −2, 3.140625, the smallest subnormal, −0, infinity.
    let brain = tensor(.bfloat16, [0x3f80, 0xc000, 0x4049, 1, 0x8000, 0x7f80])
    let wide = [1, -2, 3.140625, 0x1p-133, -0.0, .infinity]
    for (tensor, numbers) in [(half, numbers), (brain, wide)] {
      let file = single(tensor)
      #expect(try file.vector(named: "x", as: Double.self).array.map(\.bitPattern) == numbers.map(\.bitPattern))
      #expect(
        try file.vector(named: "x", as: Float.self).array.map(\.bitPattern) == numbers.map { Float($0).bitPattern })
      #expect(throws: StorageError.self) { try file.integers(named: "x") }
    }
    #expect(try single(tensor(.float16, [0x7e00])).vector(named: "x", as: Float.self)[0].isNaN)
    #expect(try single(tensor(.bfloat16, [0x7fc0])).vector(named: "x", as: Double.self)[0].isNaN)
  }

  @Test func `A na n stays one in either direction`() throws {
    #expect(try single(Tensor([Float.nan])).vector(named: "x", as: Double.self)[0].isNaN)
    #expect(try single(Tensor([Double.nan])).vector(named: "x", as: Float.self)[0].isNaN)
  }

  @Test func `A misfit names file tensor and shapes`() {
    var file = single(Tensor([1, 2, 3, 4] as [Float], shape: [2, 2]))
    file.path = "run/a.safetensors"
    let shape = #expect(throws: StorageError.self) { try file.vector(named: "x", shape: [4], as: Float.self) }
    let expected = "run/a.safetensors: tensor \"x\": has shape [2, 2] where [4] is expected; "
    #expect(shape?.description.hasPrefix(expected) == true)
    let name = #expect(throws: StorageError.self) { try file.vector(named: "y", as: Float.self) }
    #expect(name?.description.contains("tensor \"y\": is missing") == true)
    let type = #expect(throws: StorageError.self) { try file.integers(named: "x") }
    #expect(type?.description.contains("F32 where integers are expected") == true)
    let integer = single(Tensor([1] as [Int32]))
    #expect(throws: StorageError.self) { try integer.vector(named: "x", as: Float.self) }
  }

  private struct State: Codable, Equatable {
    var step: Int
    var damping: Double
    var names: [String]
  }

  @Test func `Values in the metadata come back exactly`() throws {
    let state = State(step: .max, damping: 0.1 + 0.2, names: ["a/b", "\"ü\"\n"])
    var file = TensorFile()
    file.encode(state, forKey: "state")
    #expect(try file.decode(State.self, forKey: "state") == state)
  }

  @Test func `A wrong value in the metadata is named`() {
    var file = TensorFile()
    file.metadata["state"] = #"{"step":"three"}"#
    let wrong = #expect(throws: StorageError.self) { try file.decode(State.self, forKey: "state") }
    #expect(wrong?.exitCode == 65)
    #expect(wrong?.description.contains("metadata \"state\": is not a valid State") == true)
    let missing = #expect(throws: StorageError.self) { try file.decode(State.self, forKey: "other") }
    #expect(missing?.description.contains("metadata \"other\": is missing") == true)
  }

  private func single(_ tensor: Tensor) -> TensorFile {
    var file = TensorFile()
    file.add("x", tensor)
    return file
  }
}
