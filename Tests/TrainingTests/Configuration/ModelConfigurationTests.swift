import LinearAlgebra
import Networks
import Testing

@testable import Training

@Suite struct ModelConfigurationTests {
  private func model(_ text: String) throws -> Configuration.ModelOptions {
    try Configuration.parse("model: {\(text)}", source: "").model
  }

  @Test func `Layers are words, or keys with their settings`() throws {
    let yaml = """
      model:
        layers:
          - convolution: {channels: 16, kernel: 5, padding: 2}
          - relu
          - max_pool: 2
          - average_pool: {kernel: 3, stride: 2, padding: 1}
          - max_pool: {kernel: 3}
          - global_average_pool
          - flatten
          - linear: 128
          - silu
          - layer_norm
          - residual: [ {linear: 128}, tanh ]
      """
    let configuration = try Configuration.parse(yaml, source: "")
    #expect(
      configuration.model.layers == [
        .convolution(.init(channels: 16, kernel: 5, stride: 1, padding: 2)), .activation(.relu),
        .maxPool(.init(kernel: 2, stride: 2, padding: 0)), .averagePool(.init(kernel: 3, stride: 2, padding: 1)),
        .maxPool(.init(kernel: 3, stride: 3, padding: 0)), .globalAveragePool, .flatten, .linear(128),
        .activation(.silu), .layerNorm, .residual([.linear(128), .activation(.tanh)]),
      ])
    #expect(try Configuration.parse(configuration.yaml, source: "") == configuration)
    // Layers in an error message are valid YAML, too.
    let shown = try Configuration.parse("", source: "", overrides: ["model.layers=\(configuration.model.layers)"])
    #expect(shown == configuration)
    // An override replaces the whole list.
    let other = try Configuration.parse(yaml, source: "", overrides: ["model.layers=[{linear: 64}, tanh]"])
    #expect(other.model.layers == [.linear(64), .activation(.tanh)])
  }

  @Test func `Initialization auto is zeros for a linear head and scaled for hidden layers`() throws {
    let folder = TemporaryFolder()
    try folder.write("c.yaml", Array("model: {layers: []}".utf8))
    for (layers, word) in [
      ("[]", "zeros"), ("[tanh]", "zeros"), ("[{linear: 3}]", "scaled"), ("[{residual: [layer_norm]}]", "scaled"),
    ] {
      let loaded = try Configuration.load(path: folder.path("c.yaml"), overrides: ["model.layers=\(layers)"])
      #expect(loaded.model.initialization == word)
      let explicit = try model("layers: \(layers), initialization: scaled")
      #expect(explicit.resolvedInitialization == "scaled")
    }
    let head = try model("layers: []")
    let zeros: Vector<Float> = try head.initialParameters(of: head.network(featureShape: [3], classes: 2), seed: 1)
    #expect(zeros.array.allSatisfy { $0 == 0 })
    let deep = try model("layers: [{linear: 4}]")
    let scaled: Vector<Float> = try deep.initialParameters(of: deep.network(featureShape: [3], classes: 2), seed: 1)
    #expect(scaled.array.contains { $0 != 0 })
  }

  @Test func `Flat features are an image by the input shape`() throws {
    let text = "layers: [{convolution: {channels: 2, kernel: 3}}, flatten]"
    let network = try model("\(text), input_shape: [2, 4, 3]").network(featureShape: [24], classes: 2)
    #expect(network.example == [2, 4, 3])
    #expect(network.layout.entries.map(\.shape) == [[2, 2, 3, 3], [2], [2, 4], [2]])
    let flat = #expect(throws: ConfigurationError.self) {
      try model(text).network(featureShape: [24], classes: 2)
    }
    #expect(flat?.key == "model.layers[0]")
    #expect(flat?.exitCode == 64)
    #expect(flat?.description.contains("24 flat features; set model.input_shape") == true)
    for shape in ["[5, 5]", "[1000000000, 1000000000, 1000000000]"] {
      let other = #expect(throws: ConfigurationError.self) {
        try model("\(text), input_shape: \(shape)").network(featureShape: [24], classes: 2)
      }
      #expect(other?.key == "model.input_shape")
      #expect(other?.description.contains("24") == true)
    }
  }

  @Test func `Where the channels may be is said of a kernel that does not fit`() throws {
    let text = "layers: [{convolution: {channels: 2, kernel: 5}}, flatten]"
    let keras = #expect(throws: ConfigurationError.self) {
      try model(text).network(featureShape: [28, 28, 1], classes: 2)
    }
    #expect(keras?.description.contains("does not fit into 28 × 28 × 1") == true)
    #expect(keras?.description.contains("set model.channels to last") == true)
    let small = #expect(throws: ConfigurationError.self) {
      try model(text).network(featureShape: [1, 4, 4], classes: 2)
    }
    #expect(small?.description.contains("model.channels") == false)
  }

  @Test func `A saved network comes back from its file alone`() throws {
    var configuration = Configuration()
    configuration.model = try model(
      "layers: [{convolution: {channels: 3, kernel: 2}}, gelu, {residual: [layer_norm, tanh]}, {average_pool: 2}, flatten]"
        + ", input_shape: [5, 4, 2], channels: last")
    let network = try configuration.model.network(featureShape: [40], classes: 3)
    let parameters: Vector<Double> = network.initialParameters(seed: 5)
    let folder = TemporaryFolder()
    try Safetensors.save(
      ModelFile.contents(parameters, of: network, configuration, .none), to: folder.path("m"))
    let file = try ModelFile(path: folder.path("m"))
    #expect(file.network.layout == network.layout)
    #expect(file.network.example == [5, 4, 2])
    #expect(file.network.outline == network.outline)
    #expect(file.configuration == configuration)
    #expect(try file.parameters(as: Double.self).array == parameters.array)
    let names = [
      "model.0.weight", "model.0.bias", "model.2.0.weight", "model.2.0.bias", "model.5.weight", "model.5.bias",
    ]
    #expect(file.contents.tensors.map(\.name) == names)
    // A file of another program, with a name without the prefix.
    var foreign = TensorFile()
    for entry in file.contents.tensors { foreign.add(String(entry.name.dropFirst(6)), entry.tensor) }
    try Safetensors.save(foreign, to: folder.path("foreign"))
    configuration.model.initialization = folder.path("foreign")
    let loaded: Vector<Double> = try configuration.model.initialParameters(of: network, seed: 0)
    #expect(loaded.array == parameters.array)
  }

  @Test func `Metadata of layers that do not fit the input are refused`() throws {
    var configuration = Configuration()
    configuration.model.layers = [.convolution(.init(channels: 2, kernel: 3)), .flatten]
    let network = try configuration.model.network(featureShape: [3, 3], classes: 2)
    var file = ModelFile.contents(Vector<Float>(zeros: network.layout.count), of: network, configuration, .none)
    file.metadata["fgn.shape"] = #"{"input":[9],"classes":2}"#
    let error = #expect(throws: StorageError.self) { try ModelFile(file) }
    #expect(error?.exitCode == 65)
    #expect(error?.description.contains("model.layers[0]: convolution takes an image") == true)
  }
}
