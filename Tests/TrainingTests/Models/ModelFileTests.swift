import Datasets
import Foundation
import LinearAlgebra
import MPI
import Networks
import Testing

@testable import Training

@Suite struct ModelFileTests {
  let folder = TemporaryFolder()
  private let network = Network([Linear(inputs: 3, outputs: 2)])
  private let values = [0.1, -2, 3e-7, 4, 5.5, -6, 7, 1.0 / 3]

  private func normalization(_ kind: Normalization.Kind, columns: Int = 3) -> Normalization {
    let features = FeatureMatrix((0..<4 * columns).map { Double($0 * $0) }, shape: [columns])
    return Normalization(kind, features.statistics(in: 0..<4))
  }

  private func contents(_ kind: Normalization.Kind = .standardize) -> TensorFile {
    var configuration = Configuration()
    configuration.training.precision = .float64
    configuration.optimizer.batchSize = .full
    return ModelFile.contents(Vector(values), of: network, configuration, normalization(kind))
  }

  /// The error of a file whose metadata has `text` under `key`.
  private func error(key: String, _ text: String?) -> StorageError? {
    var file = contents()
    file.path = "m.safetensors"
    file.metadata[key] = text
    return #expect(throws: StorageError.self) { try ModelFile(file) }
  }

  @Test(arguments: Normalization.Kind.allCases)
  func `A model comes back as it was`(kind: Normalization.Kind) throws {
    let original = contents(kind)
    try Safetensors.save(original, to: folder.path("m"))
    let model = try ModelFile(path: folder.path("m"))
    #expect(model.configuration.training.precision == .float64)
    #expect(model.configuration.optimizer.batchSize == .full)
    #expect(model.normalization == normalization(kind))
    #expect(model.network.layout == network.layout)
    #expect(try model.parameters(as: Double.self).array == values)
    #expect(try model.parameters(as: Float.self).array == values.map { Float($0) })
    #expect(model.contents == original)
    #expect(model.contents.tensors.map(\.name) == ["model.0.weight", "model.0.bias"])
    #expect(model.contents.tensors.map(\.tensor.shape) == [[2, 3], [2]])
  }

  @Test func `A model from before there were some settings is read`() throws {
    var file = contents()
    let key = "fgn.configuration"
    let text = try #require(file.metadata[key])
    var old = text
    for part in [
      #","weights":null"#, #""class_weights":null,"#, #","stratify":false"#, #""label_smoothing":0,"#,
      #""shuffle_block":1,"#, #""shuffle_window":1,"#,
    ] { old = old.replacing(part, with: "") }
    for key in ["weights", "stratify", "shuffle", "smoothing"] { try #require(!old.contains(key), "\(text)") }
    file.metadata[key] = old
    #expect(try ModelFile(file).configuration == ModelFile(contents()).configuration)
  }

  /// None of these may end the process, or allocate memory for a network that the file does not contain.
  @Test(arguments: [
    #"{"input":[3],"classes":4611686018427387904}"#, #"{"input":[3],"classes":2147483653}"#,
    #"{"input":[1073741824],"classes":8589934592}"#, #"{"input":[3],"classes":500000000}"#,
    #"{"input":[2147483647],"classes":2}"#, #"{"input":[-3],"classes":2}"#,
    #"{"input":[4294967296,4294967296],"classes":2}"#,
  ])
  func `A file that describes an impossible network is refused`(shape: String) {
    var file = contents(.none)
    file.metadata["fgn.shape"] = shape
    let error = #expect(throws: StorageError.self) { try ModelFile(file).parameters(as: Double.self) }
    #expect(error?.exitCode == 65)
  }

  @Test func `Equal models are equal bytes`() throws {
    for name in ["a", "b"] { try Safetensors.save(contents(), to: folder.path(name)) }
    #expect(try folder.bytes("a") == folder.bytes("b"))
  }

  @Test func `A flipped bit anywhere is noticed`() throws {
    try Safetensors.save(contents(), to: folder.path("m"))
    let bytes = try folder.bytes("m")
    for position in bytes.indices {
      var damaged = bytes
      damaged[position] ^= 1 << UInt8(position % 8)
      #expect(try folder.failureToLoad(damaged, requireChecksum: true)?.hasPrefix(folder.path("trial")) == true)
    }
  }

  @Test func `A file without a checksum is no model`() throws {
    let header = Array(#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  "#.utf8)
    try folder.write("foreign", [UInt8(header.count)] + [UInt8](repeating: 0, count: 7) + header + [0, 0, 0, 0])
    #expect(try Safetensors.load(path: folder.path("foreign")).contains("w"))
    let error = #expect(throws: StorageError.self) { try ModelFile(path: folder.path("foreign")) }
    #expect(error?.exitCode == 65)
    #expect(error?.section == "checksum")
  }

  @Test(
    arguments: [
      ["fgn.configuration", nil], ["fgn.configuration", "{}"], ["fgn.configuration", "not JSON"],
      ["fgn.normalization", nil], ["fgn.normalization", #"{"kind":"none"}"#],
      ["fgn.normalization", #"{"kind":"standardize","offsets":[1],"scales":[1,2]}"#],
      ["fgn.normalization", #"{"kind":"scale","offsets":[],"scales":[]}"#], ["fgn.shape", nil], ["fgn.shape", "[]"],
      ["fgn.shape", #"{"input":[0],"classes":2}"#], ["fgn.shape", #"{"input":[-1,-3],"classes":2}"#],
      ["fgn.shape", #"{"input":[3],"classes":1}"#],
      ["fgn.shape", #"{"input":[9223372036854775807,9223372036854775807],"classes":2}"#],
      // This shape fits no normalization of three columns.
      ["fgn.shape", #"{"input":[4],"classes":2}"#],
    ] as [[String?]])
  func `Metadata that make no model are refused by name`(pair: [String?]) throws {
    let key = try #require(pair[0])
    let error = error(key: key, pair[1])
    #expect(error?.exitCode == 65)
    #expect(error?.section.contains(key) == true)
    #expect(error?.description.hasPrefix("m.safetensors: ") == true)
  }

  @Test func `A header tells all but the numbers, and where it is damaged so`() throws {
    try Safetensors.save(contents(), to: folder.path("m"))
    let whole = try ModelFile(path: folder.path("m"))
    let model = try ModelFile(headerOf: folder.path("m"))
    #expect(model.configuration == whole.configuration && model.normalization == whole.normalization)
    #expect(model.network.layout == whole.network.layout && model.contents.checksum == whole.contents.checksum)
    #expect(model.contents.metadata == whole.contents.metadata)
    #expect(model.contents.tensors.map(\.shape) == whole.contents.tensors.map(\.tensor.shape))
    #expect(model.contents.tensors.allSatisfy { $0.tensor.bytes.isEmpty })
    var bytes = try folder.bytes("m")
    let key = Array("fgn.shape".utf8)
    let place = try #require(bytes.indices.first { bytes[$0...].starts(with: key) })
    bytes[place] ^= 1
    try folder.write("m", bytes)
    let error = #expect(throws: StorageError.self) { try ModelFile(headerOf: folder.path("m")) }
    #expect(error?.section == "checksum")
  }

  @Test func `A model that is replaced while it is read is refused`() throws {
    try Safetensors.save(contents(), to: folder.path("m"))
    let header = try Safetensors.header(path: folder.path("m"))
    try Safetensors.save(contents(.scale), to: folder.path("m"))
    let error = #expect(throws: StorageError.self) {
      let _: Vector<Float> = try ParameterShare(network).parameters(from: header, names: header.names(of: network))
    }
    #expect(error?.exitCode == 65 && error?.problem == "was replaced while it was read")
  }

  @Test func `Tensors of another shape are refused`() throws {
    var file = contents(.none)
    file.metadata["fgn.shape"] = #"{"input":[3],"classes":5}"#
    let model = try ModelFile(file)
    let error = #expect(throws: StorageError.self) { try model.parameters(as: Float.self) }
    #expect(error?.section.contains("model.0.weight") == true)
  }

  @Test func `A model without biases comes back as it was, and one from before the key has them`() throws {
    var configuration = Configuration()
    configuration.model.bias = false
    let head = try configuration.model.network(featureShape: [3], classes: 2)
    let weights = Vector(values.prefix(6).map { $0 })
    let file = ModelFile.contents(weights, of: head, configuration, normalization(.standardize))
    let model = try ModelFile(file)
    #expect(!model.configuration.model.bias && model.network.layout == head.layout)
    #expect(try model.parameters(as: Double.self).array == weights.array)
    #expect(try summary(of: file).contains("6 parameters"))
    #expect(try summary(of: file).hasSuffix("model: linear 2 without bias"))
    let single = Communicator()
    try Safetensors.save(file, to: folder.path("m"))
    let features = Features.dense(FeatureMatrix([0, 0, 0] as [Double], shape: [3]))
    let classifier: Classifier<Double> = try ModelFile(headerOf: folder.path("m"))
      .classifier(for: features, head: .auto, over: single)
    #expect(classifier.parameters.array == weights.array)
    let fit = TemperatureFit<Double>.Result(temperature: 2, examples: 4, before: 1, after: 1)
    try model.saveCalibrated(classifier, by: fit, to: folder.path("c"), over: single)
    #expect(try ModelFile(path: folder.path("c")).parameters(as: Double.self).array == weights.array.map { $0 / 2 })

    var old = contents()
    let key = "fgn.configuration"
    let text = try #require(old.metadata[key])
    old.metadata[key] = text.replacing(#""bias":true,"#, with: "")
    #expect(old.metadata[key] != text)
    #expect(try ModelFile(old).network.layout == network.layout && ModelFile(old).configuration.model.bias)
  }

  private func summary(of file: TensorFile) throws -> String {
    try Safetensors.save(file, to: folder.path("summary"))
    return try ModelFile.summary(of: StoredTensors(path: folder.path("summary")))
  }

  @Test func `A summary shows tensors and what they are`() throws {
    var file = contents()
    let lines = try summary(of: file).split(separator: "\n")
    #expect(lines.count == 5)
    #expect(lines[1].hasPrefix("model.0.weight  F64   2 × 3  9.288"))
    #expect(lines[3] == "classifier of 3 features into 2 classes, 8 parameters, normalize standardize")
    #expect(lines[4] == "model: linear 2")
    file.add(
      .init(step: 12, optimizer: .init(damping: 0.25), examples: 4),
      memory: [("last_step", Vector(values.map { Float($0) }))])
    #expect(try summary(of: file).contains("\noptimizer.last_step"))
    #expect(try summary(of: file).hasSuffix("\ncheckpoint after step 12, damping 0.25"))
    file = contents()
    file.add(
      .init(step: 12, optimizer: .init(moments: 12), examples: 4),
      memory: [("first_moment", Vector(values.map { Float($0) }))])
    #expect(try summary(of: file).hasSuffix("\ncheckpoint after step 12"))
    var foreign = TensorFile()
    foreign.add("counts", Tensor([Int64(1), 2]))
    #expect(try summary(of: foreign).split(separator: "\n").count == 2)
  }

  @Test func `Features of another number are refused`() throws {
    let model = try ModelFile(contents())
    try model.check([3], of: "x.npy")
    let error = #expect(throws: StorageError.self) { try model.check([4], of: "x.npy") }
    #expect(error?.exitCode == 65)
    #expect(error?.description.hasPrefix("x.npy: features: has 4 a row") == true)
  }
}
