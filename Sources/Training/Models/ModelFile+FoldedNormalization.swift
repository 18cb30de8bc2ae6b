import Datasets
import Networks

extension ModelFile {
  /// How the normalization goes into the first layer; nil where there is none.
  ///
  /// The first layer must be linear, or a convolution with one scale and offset for all pixels of a channel, and
  /// without padding unless the offsets are zero (padded zeros would have to be the offsets). A layer without biases takes
  /// offsets of zero alone. Throws exit code 64 otherwise.
  func folding(
    in precision: Configuration.TrainingOptions.Precision
  ) throws(ConfigurationError) -> NormalizationFolding? {
    guard normalization.kind != .none else { return nil }
    let layers = configuration.model.layers
    // The first layer that changes values.
    let first = layers.firstIndex { $0 != .flatten }
    let columns = network.inputCount
    let isScale = normalization.kind == .scale
    var scales = (0..<columns).map { normalization.scales[isScale ? 0 : $0] }
    var offsets = (0..<columns).map { normalization.offsets.isEmpty ? 0 : normalization.offsets[$0] }
    switch first.map({ layers[$0] }) {
    case nil, .linear: break
    case .convolution(let window):
      guard let channels = channelValues(scales, offsets) else {
        throw refusal(
          "the pixels of a channel differ in scale or offset, and a convolution has the same weights for all")
      }
      guard window.padding == 0 || channels.offsets.allSatisfy({ $0 == 0 }) else {
        throw refusal("its first convolution pads with zeros, which shifted inputs would need to be other numbers")
      }
      let area = window.kernel * window.kernel
      scales = channels.scales.flatMap { Array(repeating: $0, count: area) }
      offsets = channels.offsets.flatMap { Array(repeating: $0, count: area) }
    case let layer?: throw refusal("its first layer is \(layer.word); it must be linear or a convolution")
    }
    // The layers before have no parameters, so its own are the first two entries; a head without biases has the only one.
    if network.layout.entries.count == 1, offsets.contains(where: { $0 != 0 }) {
      throw refusal(
        "the model has no bias, which the means of the features would go into",
        remedy: "export without --fold-normalization, or train with data.normalize unit-variance or model.bias true")
    }
    return NormalizationFolding(scales: scales, offsets: offsets, precision: precision)
  }

  /// The refusal of a fold whose rounding is this large beside a unit's output.
  func refusal(ofFolding error: Double, _ folding: NormalizationFolding) -> ConfigurationError {
    refusal(
      "the means of the features are up to \(folding.largestMean.short) deviations, and in "
        + "\(folding.precision.rawValue) \(error.percent) of a unit's output would be rounding",
      remedy: folding.precision == .float32
        ? "export with --precision float64, and compute in it, or without --fold-normalization" : nil)
  }

  /// One scale and offset per channel of the examples, which are images; nil where the pixels of a channel differ.
  private func channelValues(
    _ scales: [Double], _ offsets: [Double]
  ) -> (scales: [Double], offsets: [Double])? {
    let isLast = network.example.count == 3 && configuration.model.channels == .last
    let count = network.example.count == 3 ? network.example[isLast ? 2 : 0] : 1
    let pixels = scales.count / count
    func values(_ all: [Double]) -> [Double]? {
      let channels = (0..<count).map { channel in
        Set((0..<pixels).map { all[isLast ? $0 * count + channel : channel * pixels + $0] })
      }
      return channels.allSatisfy { $0.count == 1 } ? channels.map { $0.first! } : nil
    }
    guard let scales = values(scales), let offsets = values(offsets) else { return nil }
    return (scales, offsets)
  }

  private func refusal(_ reason: String, remedy: String? = nil) -> ConfigurationError {
    ConfigurationError(
      source: contents.path,
      "normalization \(normalization.kind.rawValue) cannot be folded in: \(reason); "
        + (remedy ?? "export without --fold-normalization"))
  }
}
