import Foundation
import LinearAlgebra
import Testing

@testable import Training

@Suite struct SafetensorsTests {
  let folder = TemporaryFolder()

  // MARK: Files of our own

  @Test func `What is saved is loaded again`() throws {
    let file = everyType()
    try Safetensors.save(file, to: folder.path("a"))
    let loaded = try Safetensors.load(path: folder.path("a"), requireChecksum: true)
    #expect(loaded == file)
    #expect(loaded.tensors.map(\.name) == file.tensors.map(\.name))
    #expect(loaded.path == folder.path("a"))
  }

  @Test func `A file without tensors is a file`() throws {
    try Safetensors.save(TensorFile(), to: folder.path("a"))
    #expect(try Safetensors.load(path: folder.path("a"), requireChecksum: true) == TensorFile())
  }

  @Test func `Equal contents give equal bytes`() throws {
    var one = TensorFile()
    var other = TensorFile()
    let keys = (0..<50).map { "key \($0)" }
    for key in keys { one.metadata[key] = "value of \(key)" }
    for key in keys.reversed() { other.metadata[key] = "value of \(key)" }
    for name in ["b", "a"] {
      one.add(name, Tensor([1.5, -2] as [Float]))
      other.add(name, Tensor([1.5, -2] as [Float]))
    }
    try Safetensors.save(one, to: folder.path("one"))
    try Safetensors.save(other, to: folder.path("other"))
    #expect(try folder.bytes("one") == folder.bytes("other"))
  }

  @Test func `The bytes are those of the format`() throws {
    var file = TensorFile()
    file.metadata = ["k": "v"]
    file.add("w", Tensor([1, 2] as [Int32], shape: [1, 2]))
    try Safetensors.save(file, to: folder.path("a"))
    let bytes = try folder.bytes("a")
    let text =
      #"{"__metadata__":{"checksum":"146bf9de","checksum_scheme":"crc32-file-1","k":"v"},"#
      + #""w":{"dtype":"I32","shape":[1,2],"data_offsets":[0,8]}}"#
    let header = Array(text.utf8) + Array(repeating: 0x20, count: (8 - text.utf8.count % 8) % 8)
    #expect(bytes == [UInt8(header.count), 0, 0, 0, 0, 0, 0, 0] + header + [1, 0, 0, 0, 2, 0, 0, 0])
  }

  @Test(arguments: [true, false]) func `Every flipped bit is found`(requireChecksum: Bool) throws {
    try Safetensors.save(everyType(), to: folder.path("a"))
    let bytes = try folder.bytes("a")
    var survivors: [Int] = []
    for bit in 0..<bytes.count * 8 {
      var damaged = bytes
      damaged[bit / 8] ^= 1 << (bit % 8)
      if try folder.failureToLoad(damaged, requireChecksum: requireChecksum) == nil { survivors.append(bit) }
    }
    #expect(survivors.isEmpty)
    #expect(try folder.failureToLoad(bytes, requireChecksum: requireChecksum) == nil)
  }

  @Test(arguments: [true, false]) func `Every truncation and extension is found`(requireChecksum: Bool) throws {
    try Safetensors.save(everyType(), to: folder.path("a"))
    let bytes = try folder.bytes("a")
    let trials = (0..<bytes.count).map { Array(bytes.prefix($0)) } + [bytes + [0], bytes + [0x20]]
    let survivors = try trials.filter { try folder.failureToLoad($0, requireChecksum: requireChecksum) == nil }
    #expect(survivors.isEmpty)
  }

  @Test func `Exchanged data is found`() throws {
    try Safetensors.save(everyType(), to: folder.path("a"))
    var bytes = try folder.bytes("a")
    bytes.swapAt(bytes.count - 1, bytes.count - 2)
    #expect(try folder.failureToLoad(bytes, requireChecksum: true)?.contains(": checksum: ") == true)
  }

  // MARK: Files of others

  /// Written by safetensors 0.8.0 and numpy 2.4.6: `safetensors.numpy.save({…}, metadata={…})`.
  static let python = """
    oAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyLDvG7DryBcInFcIlxuIjoiw6lcXFx0IiwiZm9ybWF0IjoibnAifSwibGFiZWxzIjp7ImR0eXBlIjoi\
    STY0Iiwic2hhcGUiOlsyXSwiZGF0YV9vZmZzZXRzIjpbMCwxNl19LCJ3aWRlIjp7ImR0eXBlIjoiRjY0Iiwic2hhcGUiOlsyXSwiZGF0YV9vZmZz\
    ZXRzIjpbMTYsMzJdfSwibm9uZSI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMCw0XSwiZGF0YV9vZmZzZXRzIjpbMzIsMzJdfSwid2VpZ2h0Ijp7\
    ImR0eXBlIjoiRjMyIiwic2hhcGUiOlsyLDNdLCJkYXRhX29mZnNldHMiOlszMiw1Nl19LCJzY2FsYXIiOnsiZHR5cGUiOiJJMzIiLCJzaGFwZSI6\
    W10sImRhdGFfb2Zmc2V0cyI6WzU2LDYwXX0sImJ5dGVzIjp7ImR0eXBlIjoiVTgiLCJzaGFwZSI6WzNdLCJkYXRhX29mZnNldHMiOls2MCw2M119\
    fSAgIAcAAAAAAAAA+P////////+amZmZmZm5P1nz+MIfbqUBAADAPwAAEMDNzMw9R0QDAMrySXEAAACABQAAAAH/AA==
    """

  @Test func `Files of the Python library load`() throws {
    try folder.write("p", Array(Data(base64Encoded: Self.python)!))
    let file = try Safetensors.load(path: folder.path("p"))
    #expect(file.metadata == ["format": "np", "ünï \"q\"\n": "é\\\t"])
    #expect(file.tensors.map(\.name) == ["labels", "wide", "none", "weight", "scalar", "bytes"])
    let weight = try file.vector(named: "weight", shape: [2, 3], as: Float.self).array
    #expect(weight.map(\.bitPattern) == [1.5, -2.25, 0.1, 3e-40, 1e30, -0.0].map { Float($0).bitPattern })
    #expect(try file.vector(named: "wide", as: Double.self).array == [0.1, 1e-300])
    #expect(try file.vector(named: "none", shape: [0, 4], as: Double.self).array == [])
    #expect(try file.integers(named: "labels") == [7, -8])
    #expect(try file.integers(named: "scalar", shape: []) == [5])
    #expect(try file.integers(named: "bytes") == [1, 255, 0])
  }

  @Test func `A file without checksum is no checkpoint`() throws {
    let bytes = Array(Data(base64Encoded: Self.python)!)
    #expect(try folder.failureToLoad(bytes, requireChecksum: true)?.contains("checksum: is missing") == true)
  }

  /// Written in the same way, from `{"half": numpy.array([1, 2], dtype=numpy.float16)}`.
  static let halfPrecision = """
    QAAAAAAAAAB7ImhhbGYiOnsiZHR5cGUiOiJGMTYiLCJzaGFwZSI6WzJdLCJkYXRhX29mZnNldHMiOlswLDRdfX0gICAgICAgADwAQA==
    """

  @Test func `Half precision is read exactly`() throws {
    try folder.write("h", Array(Data(base64Encoded: Self.halfPrecision)!))
    #expect(try Safetensors.load(path: folder.path("h")).vector(named: "half", as: Float.self).array == [1, 2])
  }

  @Test func `A missing file and a folder are told apart from damage`() throws {
    let missing = #expect(throws: StorageError.self) { try Safetensors.load(path: folder.path("none")) }
    #expect(missing?.exitCode == 66)
    let directory = #expect(throws: StorageError.self) { try Safetensors.load(path: folder.folder) }
    #expect(directory?.exitCode == 65)
  }
}

/// Tensors of each type, with no element and with no axis, and strings that need escapes.
private func everyType() -> TensorFile {
  var file = TensorFile()
  file.metadata = ["": "", "quote\"\\": "line\nbreak\u{0}\u{1F}é😀", "state": "{\"step\":3}"]
  file.add("w", Tensor(Vector<Float>([1.5, -0.0, .infinity, .nan, .leastNonzeroMagnitude, 7]), shape: [2, 3]))
  file.add("model.0.bias", Tensor([0.1] as [Double], shape: []))
  file.add("none", Tensor([] as [Float], shape: [0, 3]))
  file.add("n", Tensor([.min, .max] as [Int64]))
  file.add("i", Tensor([-1] as [Int32]))
  file.add("naïve \"\n\\", Tensor([0, 255, 1] as [UInt8]))
  return file
}
