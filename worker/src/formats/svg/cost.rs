//! How much memory drawing will take at most, from the tree alone: each isolated group, mask, filter and pattern has pixels of its own.

use std::collections::HashMap;

use ::resvg::usvg::{self, Group, ImageKind, Node, Paint, Tree};

/// Bytes of a pixel while it is drawn.
const PIXEL: u64 = 4;

/// By how much a layer may exceed the canvas: resvg clips to five times each side.
const OVERHANG: u64 = 25;

struct Reckoning {
    canvas: u64,
    scale: f64,
    /// Patterns and masks are shared; each is reckoned once.
    known: HashMap<*const Group, u64>,
}

/// Bytes that drawing `tree` on a canvas of that size takes at most, beside the canvas itself.
pub(super) fn of(tree: &Tree, canvas: (u32, u32), scale: f32) -> u64 {
    let canvas = u64::from(canvas.0) * u64::from(canvas.1);
    Reckoning { canvas, scale: f64::from(scale), known: HashMap::new() }.group(tree.root()).saturating_mul(PIXEL)
}

impl Reckoning {
    /// Pixels at the worst moment: what a group keeps while the costliest of its children is drawn.
    fn group(&mut self, group: &Group) -> u64 {
        let children = group.children().iter().map(|node| self.node(node)).max().unwrap_or(0);
        if !group.should_isolate() {
            return children;
        }
        let area = group.abs_layer_bounding_box();
        let layer = self.clipped(f64::from(area.width()) * f64::from(area.height()), group.filters().is_empty());
        let mut after = 0;
        for filter in group.filters() {
            // Every primitive's result is kept until the filter is done; some take two more on the way.
            let kept = filter.primitives().len() as u64 + 3;
            let images = filter.primitives().iter().map(|primitive| match primitive.kind() {
                usvg::filter::Kind::Image(image) => self.shared(image.root()),
                _ => 0,
            });
            after = after.max(images.max().unwrap_or(0).saturating_add(layer.saturating_mul(kept)));
        }
        let mut clip = group.clip_path();
        let mut masks = 0u64;
        while let Some(path) = clip {
            masks = masks.saturating_add(layer).saturating_add(self.shared(path.root()));
            clip = path.clip_path();
        }
        let mut mask = group.mask();
        while let Some(one) = mask {
            masks = masks.saturating_add(layer.saturating_mul(2)).saturating_add(self.shared(one.root()));
            mask = one.mask();
        }
        layer.saturating_add(children.max(after).max(masks))
    }

    fn node(&mut self, node: &Node) -> u64 {
        match node {
            Node::Group(group) => self.group(group),
            Node::Text(text) => self.group(text.flattened()),
            Node::Path(path) => {
                let paints = [path.fill().map(|fill| fill.paint()), path.stroke().map(|stroke| stroke.paint())];
                paints.into_iter().flatten().map(|paint| self.paint(paint, path.abs_transform())).max().unwrap_or(0)
            }
            Node::Image(image) => match image.kind() {
                ImageKind::SVG(tree) => self.canvas.saturating_mul(2).saturating_add(self.group(tree.root())),
                // Decoded anew when it is drawn.
                _ => (f64::from(image.size().width()) * f64::from(image.size().height())) as u64,
            },
        }
    }

    fn paint(&mut self, paint: &Paint, transform: usvg::Transform) -> u64 {
        let Paint::Pattern(pattern) = paint else { return 0 };
        let (sx, sy) = transform.pre_concat(pattern.transform()).get_scale();
        let (sx, sy) = (f64::from(sx) * self.scale, f64::from(sy) * self.scale);
        let area = f64::from(pattern.rect().width()) * sx * f64::from(pattern.rect().height()) * sy;
        // Infinite and nonsensical sizes saturate, or are zero and drawn as nothing.
        (area.min(1e18) as u64).saturating_add(self.shared(pattern.root()))
    }

    fn shared(&mut self, root: &Group) -> u64 {
        let key: *const Group = root;
        if let Some(&known) = self.known.get(&key) {
            return known;
        }
        // A cycle would meet itself here; usvg has cut them all.
        self.known.insert(key, 0);
        let pixels = self.group(root);
        self.known.insert(key, pixels);
        pixels
    }

    /// A layer of `area` square units, as far as it can reach.
    fn clipped(&self, area: f64, plain: bool) -> u64 {
        let pixels = (area * self.scale * self.scale).min(1e18) as u64;
        // Two pixels around it are for smooth edges.
        let pixels = if plain { pixels.saturating_add(pixels / 8).saturating_add(64) } else { pixels };
        pixels.min(self.canvas.saturating_mul(OVERHANG))
    }
}
