import Networks

/// The bytes that ranks exchange in a step of a head, as sums and gathers have them, for both ways to place it.
package struct HeadTraffic: Equatable, Sendable {
  /// Where ranks share out the rows, and hold all classes.
  package let rows: Double
  /// Where ranks share out the classes, and have all rows.
  package let classes: Double

  /// Of steps on batches of `batchSize` rows with numbers of `width` bytes.
  ///
  /// Sharing rows, K takes a gather of the inputs and of the cotangents, B(d + C), and the step one of all parameters; steps
  /// without K a sum of all parameters. Sharing classes, margins take sums of 3B numbers of 8 bytes, RΔ₀ one of B, and K the
  /// triangle of a batch; below a head that is not alone come a gather of its inputs, a reduce-scatter of what classes say of
  /// them, and a sum of the other parameters. What these layers take for K is the same both ways.
  package init(_ network: Network, batchSize: Int, valuesPerRow: Double, width: Int, formsMatrix: Bool) {
    let (B, C, P) = (Double(batchSize), Double(network.outputCount), Double(network.layout.count))
    let inputs = network.trunk.map { Double($0.outputCount) }
    let triangle = formsMatrix ? B * (B + 1) / 2 : 0
    let gathered = formsMatrix ? B * ((inputs ?? valuesPerRow) + C) : 0
    rows = (gathered + P) * Double(width)
    let below = inputs.map { 2 * B * $0 + Double(network.trunkParameterCount) } ?? 0
    classes = 8 * 4 * B + (triangle + below) * Double(width)
  }
}
