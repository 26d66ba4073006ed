<?php
/**
 * Plugin Name:       Thumbnail Service
 * Description:       Pictures of web pages from your own thumbnail service: a shortcode, a block, and a button that stores a permanent picture.
 * Version:           1.0.0
 * Requires at least: 6.1
 * Requires PHP:      7.4
 * License:           MIT
 * License URI:       https://opensource.org/license/mit
 * Text Domain:       thumbnail-service
 *
 * One file: copy it to wp-content/plugins, activate it, and enter the address of the service under
 * Settings → Thumbnail Service. The service's docs/clients.md has examples.
 */

namespace ThumbnailService;

use InvalidArgumentException;
use WP_Error;
use WP_Post;
use WP_REST_Request;

defined('ABSPATH') || exit;

const SETTINGS = 'thumbnail_service'; // the option of the database that holds them
const DEFAULTS = ['service_url' => '', 'signing_key' => '', 'api_key' => '', 'default_width' => 640];
const BLOCK = 'thumbnail-service/thumbnail';
const ROUTE = 'thumbnail-service/v1';
const PICTURE_META = '_thumbnail_service_url'; // of a post: its permanent picture
const PAGE_META = '_thumbnail_service_page'; // of a post: the page that the picture shows

// In WordPress, the width and height of an image are those of the <img>.
const RENAMED = ['width' => 'w', 'height' => 'h', 'viewport_width' => 'width', 'viewport_height' => 'height'];
const MORE = ['alt', 'link']; // attributes that are no options of the service
// All other options that an address may have, as the service's docs/api.md names them: true for a switch, a list of
// choices, or null. Those that may be secrets are not among them: an address is public.
const OPTIONS = [
    'fit' => ['cover', 'contain', 'inside'],
    'format' => ['auto', 'png', 'webp', 'jpeg', 'avif', 'pdf'],
    'quality' => null,
    'device' => null,
    'full_page' => true,
    'max_height' => null,
    'scale' => null,
    'delay' => null,
    'wait_until' => ['settled', 'load', 'domcontentloaded', 'networkidle'],
    'wait_for' => null,
    'selector' => null,
    'clip' => null,
    'hide' => null,
    'click' => null,
    'scroll_y' => null,
    'css' => null,
    'block_ads' => true,
    'block_cookie_banners' => true,
    'block_chats' => true,
    'dark_mode' => true,
    'color_scheme' => ['light', 'dark'],
    'reduced_motion' => true,
    'image' => ['screenshot', 'auto', 'og'],
    'error_pages' => ['refuse', 'show'],
    'ignore_https_errors' => true,
    'locale' => null,
    'timezone' => null,
    'user_agent' => null,
    'ttl' => null,
    'fresh' => true,
    'wait' => null,
    'theme' => ['auto', 'light', 'dark'],
    'provenance' => true,
    'expires' => null,
    'v' => null,
];
// One signature serves all sizes and formats of a page, and whatever breaks a browser's cache: docs/signing.md.
const UNSIGNED = ['w', 'h', 'fit', 'format', 'quality', 'wait', 'theme', 'v'];
// With these, the shape of the picture is not that of the viewport.
const SHAPING = ['full_page', 'selector', 'clip', 'device', 'image', 'fit'];
const SHARP = ['scale', 'device', 'selector', 'clip']; // with these, the author decides how many pixels there are
const MOST_PIXELS = 3840; // of a side
const FEWEST_PIXELS = 16;
const VIEWPORT = [1280, 720];
// Sizes that a service with signing keys serves, unless its ALLOWED_SIZES names others; see allows_size().
const LADDER = [160, 240, 320, 480, 640, 800, 960, 1200, 1280, 1600, 1920];
const MOST_SECONDS = 120; // a capture may take a minute

add_action('init', __NAMESPACE__ . '\\register');
add_action('rest_api_init', __NAMESPACE__ . '\\register_route');
add_action('admin_menu', __NAMESPACE__ . '\\add_settings_page');
add_action('admin_init', __NAMESPACE__ . '\\register_settings');
add_action('add_meta_boxes', __NAMESPACE__ . '\\add_button');
register_activation_hook(__FILE__, __NAMESPACE__ . '\\activate');

function activate(): void
{
    register_uninstall_hook(__FILE__, __NAMESPACE__ . '\\uninstall');
}

/** Remove all that the plug-in has stored, except the files of featured images. */
function uninstall(): void
{
    foreach (is_multisite() ? get_sites(['fields' => 'ids', 'number' => 0]) : [0] as $site) {
        $site && switch_to_blog($site);
        delete_option(SETTINGS);
        delete_post_meta_by_key(PICTURE_META);
        delete_post_meta_by_key(PAGE_META);
        $site && restore_current_blog();
    }
}

function register(): void
{
    add_shortcode('thumbnail', __NAMESPACE__ . '\\render_shortcode');
    wp_register_script('thumbnail-service-block', false, ['wp-blocks', 'wp-block-editor', 'wp-components', 'wp-element', 'wp-server-side-render'], null, true);
    wp_add_inline_script('thumbnail-service-block', '(' . BLOCK_SCRIPT . ')(window.wp, ' . wp_json_encode(block_fields(), JSON_HEX_TAG) . ');');
    register_block_type(BLOCK, [
        'api_version' => 3,
        'title' => __('Thumbnail of a web page', 'thumbnail-service'),
        'description' => __('Shows a picture of a web page.', 'thumbnail-service'),
        'category' => 'embed',
        'icon' => 'format-image',
        'supports' => ['html' => false, 'align' => true],
        'attributes' => array_fill_keys(attribute_names(), ['type' => 'string', 'default' => '']),
        'editor_script_handles' => ['thumbnail-service-block'],
        'render_callback' => __NAMESPACE__ . '\\render_block',
    ]);
}

function settings(): array
{
    return array_merge(DEFAULTS, (array) get_option(SETTINGS, []));
}

/** The names of all attributes, those of the shortcode as those of the block. */
function attribute_names(): array
{
    return array_merge(['url'], array_keys(RENAMED), MORE, array_keys(OPTIONS));
}

// The picture

function render_shortcode($given): string
{
    $attributes = [];
    foreach (is_array($given) ? $given : [] as $name => $value) {
        is_int($name) ? $attributes[$value] = 'true' : $attributes[$name] = $value; // [thumbnail url="…" full_page]
    }
    return render($attributes);
}

function render_block(array $attributes): string
{
    $ours = array_intersect_key($attributes, array_flip(attribute_names()));
    $html = render(array_filter($ours, fn ($value) => $value !== ''));
    return $html === '' ? '' : '<figure ' . get_block_wrapper_attributes() . ">$html</figure>";
}

/** Return the HTML of a picture. Where it is impossible, those who edit learn why, and visitors see nothing. */
function render(array $attributes): string
{
    try {
        return picture(array_map(__NAMESPACE__ . '\\plain', $attributes));
    } catch (InvalidArgumentException $refusal) {
        $text = __('Thumbnail (visitors see nothing here):', 'thumbnail-service') . ' ' . $refusal->getMessage();
        return current_user_can('edit_posts') ? '<span class="thumbnail-service-note">' . esc_html($text) . '</span>' : '';
    }
}

/** Undo what WordPress' editors do to a value: `&`, quotes and brackets are HTML entities in a post. */
function plain($value): string
{
    $text = is_scalar($value) ? (string) $value : '';
    // A visual editor encodes the `&` of an entity that somebody pastes.
    if (preg_match('/&amp;(amp|lt|gt|quot|#\d+|#x[\da-f]+);/i', $text)) {
        $text = str_replace('&amp;', '&', $text);
    }
    return trim(html_entity_decode($text, ENT_QUOTES | ENT_HTML5, 'UTF-8'));
}

function picture(array $attributes): string
{
    if (settings()['service_url'] === '') {
        throw new InvalidArgumentException(__('enter the address of the service under Settings → Thumbnail Service', 'thumbnail-service'));
    }
    $options = options_of($attributes);
    $page = $options['url'];
    $host = host_of($page);
    if (($options['format'] ?? '') === 'pdf') {
        /* translators: %s: host name of a web page */
        $text = sprintf(__('%s as a PDF', 'thumbnail-service'), $host);
        return sprintf('<a href="%s">%s</a>', esc_attr(address($options)), esc_html($text));
    }

    [$once, $twice] = densities($options);
    /* translators: %s: host name of a web page */
    $alt = $attributes['alt'] ?? sprintf(__('Screenshot of %s', 'thumbnail-service'), $host);
    // The addresses are percent-encoded. esc_url() would remove some of that, and with it break the signature.
    $html = sprintf('<img class="thumbnail-service" src="%s"', esc_attr($once));
    $html .= $twice === '' ? '' : sprintf(' srcset="%s 1x, %s 2x"', esc_attr($once), esc_attr($twice));
    foreach (sides($options) as $side => $pixels) {
        $html .= sprintf(' %s="%d"', $side, $pixels);
    }
    $html .= sprintf(' alt="%s" loading="lazy" decoding="async">', esc_attr($alt));
    // The service's own script: pictures that were not ready arrive without a reload.
    wp_enqueue_script('thumbnail-service', settings()['service_url'] . '/thumbs.js', [], null, true);
    if (!is_on($attributes['link'] ?? '')) {
        return $html;
    }
    $link = strpos($page, '://') === false ? 'https://' . ltrim($page, '/') : $page;
    return sprintf('<a href="%s">%s</a>', esc_url($link, ['http', 'https']), $html);
}

/**
 * Return the service's options for the attributes of a shortcode or block.
 *
 * @throws InvalidArgumentException whose text names the attribute.
 */
function options_of(array $attributes): array
{
    foreach (array_diff(array_keys($attributes), attribute_names()) as $unknown) {
        /* translators: 1: name of an attribute, 2: list of names */
        $text = __('%1$s: no such attribute. There are %2$s.', 'thumbnail-service');
        throw new InvalidArgumentException(sprintf($text, $unknown, implode(', ', attribute_names())));
    }
    foreach (array_keys(RENAMED) as $name) {
        if (!preg_match('/^[1-9]\d{0,3}$/', $attributes[$name] ?? '1')) {
            /* translators: %s: name of an attribute */
            throw new InvalidArgumentException(sprintf(__('%s: must be a whole number of pixels', 'thumbnail-service'), $name));
        }
    }
    // With or without a scheme; a port has digits, which no scheme of scripts has.
    if (!preg_match('~^(https?:)?//[^/\s]|^[^\s/?#:]+(:\d+)?([/?#]|$)~i', $attributes['url'] ?? '')) {
        throw new InvalidArgumentException(__('url: must be the http:// or https:// URL of a page', 'thumbnail-service'));
    }
    $options = [];
    foreach (array_diff_key($attributes, array_flip(MORE)) as $name => $value) {
        $options[RENAMED[$name] ?? $name] = $value;
    }
    if (!isset($options['w']) && !isset($options['h']) && ($options['format'] ?? '') !== 'pdf') {
        $options['w'] = (string) settings()['default_width'];
    }
    return $options;
}

function host_of(string $page): string
{
    preg_match('~^(?:https?:)?(?://)?(?:[^/?#@]*@)?([^/?#]*)~i', $page, $found);
    return $found[1];
}

function is_on(string $value): bool
{
    return filter_var($value, FILTER_VALIDATE_BOOLEAN);
}

/** Return the address of the picture, signed if there is a key. */
function address(array $options): string
{
    $key = settings()['signing_key'];
    $given = $key === '' ? $options : $options + ['sig' => signature($key, $options)];
    return settings()['service_url'] . '/thumb?' . http_build_query($given, '', '&', PHP_QUERY_RFC3986);
}

function signature(string $key, array $options): string
{
    $lines = [];
    foreach ($options as $name => $value) {
        if (!in_array($name, UNSIGNED, true) || "$name=$value" === 'format=pdf') {
            $lines[] = "$name=$value";
            if (strpos($value, "\n") !== false) {
                /* translators: %s: name of an attribute */
                throw new InvalidArgumentException(sprintf(__('%s: must not contain a line break', 'thumbnail-service'), $name));
            }
        }
    }
    sort($lines, SORT_STRING);
    return hash_hmac('sha256', implode("\n", $lines), $key);
}

/** Return the addresses for displays with one and two pixels per CSS pixel, from one capture. The second may be ''. */
function densities(array $options): array
{
    $double = $options;
    foreach (array_intersect(['w', 'h'], array_keys($options)) as $side) {
        $double[$side] = (string) (2 * (int) $options[$side]);
    }
    if (max((int) ($double['w'] ?? 0), (int) ($double['h'] ?? 0)) > MOST_PIXELS || !allows_size($double)) {
        return [address($options), ''];
    }
    $captured = (int) ($options['width'] ?? VIEWPORT[0]);
    $sharp = array_intersect_key($options, array_flip(SHARP)) || (int) ($double['w'] ?? 0) <= $captured;
    $more = $sharp ? [] : ['scale' => '2'];
    return [address($options + $more), address($double + $more)];
}

/** Return whether the service has a picture of this size. The filter is for an ALLOWED_SIZES of your own. */
function allows_size(array $options): bool
{
    $width = (int) ($options['w'] ?? 0);
    $height = (int) ($options['h'] ?? 0);
    $allows = settings()['signing_key'] === ''
        || (in_array($width, LADDER, true) && in_array($height, [0, intdiv($width * 9, 16)], true));
    return (bool) apply_filters('thumbnail_service_allows_size', $allows, $width, $height);
}

/** Return the attributes `width` and `height` of the <img>, as far as the shape of its picture is known. */
function sides(array $options): array
{
    $width = (int) ($options['w'] ?? 0);
    $height = (int) ($options['h'] ?? 0);
    if (($options['fit'] ?? '') === 'inside') {
        return [];
    }
    if (!($width && $height) && !array_intersect_key($options, array_flip(SHAPING))) {
        $shape = ($options['width'] ?? VIEWPORT[0]) / ($options['height'] ?? VIEWPORT[1]);
        $width = $width ?: (int) round($height * $shape);
        $height = $height ?: (int) round($width / $shape);
    }
    return array_filter(['width' => $width, 'height' => $height]);
}

// A permanent picture of a post

function register_route(): void
{
    register_rest_route(ROUTE, '/posts/(?P<id>\d+)', [
        'methods' => 'POST',
        'callback' => __NAMESPACE__ . '\\generate',
        // WordPress has checked the nonce: without a valid one, nobody is logged in here.
        'permission_callback' => fn (WP_REST_Request $request) => current_user_can('edit_post', (int) $request['id']),
        'args' => [
            'url' => ['type' => 'string', 'required' => true],
            'width' => ['type' => 'integer', 'minimum' => FEWEST_PIXELS, 'maximum' => MOST_PIXELS, 'default' => 1200],
            'featured' => ['type' => 'boolean', 'default' => false],
        ],
    ]);
}

/** Have the service store a picture, and note its URL at the post. The API key stays on this server. */
function generate(WP_REST_Request $request)
{
    $post = (int) $request['id'];
    $page = trim($request['url']);
    if ($request['featured'] && !current_user_can('upload_files')) {
        return new WP_Error('thumbnail_service_upload', __('You may not upload files, so you cannot set a featured image.', 'thumbnail-service'), ['status' => 403]);
    }
    $url = persist(['url' => $page, 'w' => (int) $request['width'], 'format' => 'jpeg']);
    if (is_wp_error($url)) {
        return $url;
    }
    update_post_meta($post, PICTURE_META, $url);
    update_post_meta($post, PAGE_META, esc_url_raw($page, ['http', 'https']));
    $image = $request['featured'] ? set_featured_image($post, $url, $page) : 0;
    return is_wp_error($image) ? $image : rest_ensure_response(['url' => $url, 'featured_media' => $image]);
}

/** Return the permanent URL of a picture, or a WP_Error whose text is for the person who has asked. */
function persist(array $options)
{
    ['service_url' => $service, 'api_key' => $key] = settings();
    if ($service === '') {
        return new WP_Error('thumbnail_service_unset', __('Enter the address of the service under Settings → Thumbnail Service.', 'thumbnail-service'), ['status' => 503]);
    }
    $answer = wp_remote_post("$service/persist", [
        'headers' => ['Content-Type' => 'application/json', 'Accept' => 'application/json'] + ($key === '' ? [] : ['Authorization' => "Bearer $key"]),
        'body' => wp_json_encode($options),
        'timeout' => MOST_SECONDS,
        'redirection' => 0, // a redirect would take the key to another host
    ]);
    if (is_wp_error($answer)) {
        $text = __('The thumbnail service gives no answer.', 'thumbnail-service');
        return new WP_Error('thumbnail_service_unreachable', $text . (current_user_can('manage_options') ? ' ' . $answer->get_error_message() : ''), ['status' => 502]);
    }
    $status = (int) wp_remote_retrieve_response_code($answer);
    $body = json_decode(wp_remote_retrieve_body($answer), true);
    $body = is_array($body) ? $body : [];
    $url = esc_url_raw(is_string($body['url'] ?? null) ? $body['url'] : '', ['http', 'https']);
    if (in_array($status, [200, 201], true) && $url !== '') {
        return $url;
    }
    $retry = (int) wp_remote_retrieve_header($answer, 'retry-after');
    return new WP_Error('thumbnail_service_refused', refusal($status, $body, $retry), ['status' => $status === 429 ? 429 : ($status === 400 ? 400 : 502)]);
}

/** Say in words what the service has answered. */
function refusal(int $status, array $body, int $retry): string
{
    if ($status === 401) {
        return __('The thumbnail service does not accept the API key. An administrator can change it under Settings → Thumbnail Service.', 'thumbnail-service');
    }
    $detail = is_string($body['detail'] ?? null) ? $body['detail'] : '';
    if ($detail === '') {
        /* translators: %d: HTTP status */
        return sprintf(__('The thumbnail service answered with status %d. Is its address right?', 'thumbnail-service'), $status);
    }
    /* translators: %s: error text of the service */
    $text = sprintf(__('The thumbnail service says: %s.', 'thumbnail-service'), rtrim($detail, '.'));
    if ($retry > 0) {
        /* translators: %d: number of seconds */
        $text .= ' ' . sprintf(__('Try again in %d seconds.', 'thumbnail-service'), $retry);
    }
    return $text;
}

/** Copy a stored picture into the media library, as WordPress' featured images are files of its own. Return its id. */
function set_featured_image(int $post, string $url, string $page)
{
    $current = (int) get_post_thumbnail_id($post);
    if ($current && get_post_meta($current, PICTURE_META, true) === $url) {
        return $current; // a URL holds the hash of its picture, so nothing has changed
    }
    foreach (['file', 'media', 'image'] as $part) {
        require_once ABSPATH . "wp-admin/includes/$part.php";
    }
    $file = wp_tempnam('thumbnail');
    // Not download_url(): it refuses private addresses and most ports, where a service of your own may well be.
    $answer = wp_remote_get($url, ['timeout' => MOST_SECONDS, 'stream' => true, 'filename' => $file]);
    if (is_wp_error($answer) || wp_remote_retrieve_response_code($answer) !== 200) {
        wp_delete_file($file);
        return new WP_Error('thumbnail_service_download', __('The picture is stored, but it could not be copied into the media library.', 'thumbnail-service'), ['status' => 502]);
    }
    $host = host_of($page);
    /* translators: %s: host name of a web page */
    $alt = sprintf(__('Screenshot of %s', 'thumbnail-service'), $host);
    $id = media_handle_sideload(['name' => sanitize_file_name(strtr($host, '.:', '--') . '.jpg'), 'tmp_name' => $file], $post, $alt);
    if (is_wp_error($id)) {
        wp_delete_file($file);
        return $id;
    }
    update_post_meta($id, PICTURE_META, $url);
    update_post_meta($id, '_wp_attachment_image_alt', $alt);
    set_post_thumbnail($post, $id);
    return $id;
}

function add_button(string $type): void
{
    if (is_post_type_viewable($type)) {
        add_meta_box('thumbnail-service', __('Thumbnail of a web page', 'thumbnail-service'), __NAMESPACE__ . '\\show_button', $type, 'side');
    }
}

function show_button(WP_Post $post): void
{
    $stored = (string) get_post_meta($post->ID, PICTURE_META, true);
    wp_register_script('thumbnail-service-button', false, ['wp-api-fetch'], null, true);
    wp_add_inline_script('thumbnail-service-button', '(' . BUTTON_SCRIPT . ')(window.wp);');
    wp_enqueue_script('thumbnail-service-button');
    // Without names, the fields are no part of the editor's own form.
    ?>
    <div id="thumbnail-service-button" data-path="<?php echo esc_attr('/' . ROUTE . "/posts/$post->ID"); ?>"
         data-busy="<?php esc_attr_e('Generating …', 'thumbnail-service'); ?>" data-done="<?php esc_attr_e('Stored:', 'thumbnail-service'); ?>">
        <p><label><?php esc_html_e('URL of the page', 'thumbnail-service'); ?>
            <input type="url" class="widefat" data-field="url" placeholder="https://example.com/" value="<?php echo esc_attr(get_post_meta($post->ID, PAGE_META, true)); ?>"></label></p>
        <p><label><?php esc_html_e('Width in pixels', 'thumbnail-service'); ?>
            <input type="number" class="small-text" data-field="width" min="<?php echo (int) FEWEST_PIXELS; ?>" max="<?php echo (int) MOST_PIXELS; ?>" value="1200"></label></p>
        <?php if (current_theme_supports('post-thumbnails', $post->post_type) && post_type_supports($post->post_type, 'thumbnail') && current_user_can('upload_files')) : ?>
            <p><label><input type="checkbox" data-field="featured"> <?php esc_html_e('Use it as featured image', 'thumbnail-service'); ?></label></p>
        <?php endif; ?>
        <p><button type="button" class="button"><?php esc_html_e('Generate thumbnail', 'thumbnail-service'); ?></button></p>
        <p role="status"><?php if ($stored !== '') : ?><a href="<?php echo esc_url($stored); ?>" target="_blank"><?php echo esc_html($stored); ?></a><?php endif; ?></p>
    </div>
    <?php
}

const BUTTON_SCRIPT = <<<'JS'
function (wp) {
  const box = document.getElementById('thumbnail-service-button');
  const field = name => box.querySelector('[data-field=' + name + ']');
  const button = box.querySelector('button');
  const status = box.querySelector('[role=status]');
  // An editor that is open would save the featured image that it knows.
  const tellEditor = id => {
    const editor = wp.data && wp.data.select('core/editor');
    if (editor && editor.getCurrentPostId()) wp.data.dispatch('core/editor').editPost({ featured_media: id });
    else if (wp.media && wp.media.featuredImage) wp.media.featuredImage.set(id);
  };
  button.addEventListener('click', async () => {
    button.disabled = true;
    status.textContent = box.dataset.busy;
    const featured = field('featured');
    const data = { url: field('url').value, width: Number(field('width').value), featured: !!featured && featured.checked };
    try {
      const stored = await wp.apiFetch({ path: box.dataset.path, method: 'POST', data });
      const link = document.createElement('a');
      link.href = link.textContent = stored.url;
      link.target = '_blank';
      status.replaceChildren(box.dataset.done + ' ', link);
      if (stored.featured_media) tellEditor(stored.featured_media);
    } catch (error) {
      // WordPress' own words about a field are beside its message.
      status.textContent = Object.values((error.data || {}).params || {}).join(' ') || error.message;
    }
    button.disabled = false;
  });
}
JS;

// The block in the editor

/** What the editor's script needs: the block's name, its words, and a field for each attribute. */
function block_fields(): array
{
    $fields = ['url' => null, 'width' => null, 'height' => null, 'alt' => null, 'link' => true];
    return [
        'name' => BLOCK,
        'fields' => $fields,
        'capture' => array_diff_key(array_fill_keys(attribute_names(), null), $fields, OPTIONS) + OPTIONS,
        'words' => [
            'url' => __('URL of the page', 'thumbnail-service'),
            'width' => __('Width', 'thumbnail-service'),
            'height' => __('Height', 'thumbnail-service'),
            'alt' => __('Text for people who do not see the picture', 'thumbnail-service'),
            'link' => __('Link to the page', 'thumbnail-service'),
            'picture' => __('Picture', 'thumbnail-service'),
            'capture' => __('Options of the service', 'thumbnail-service'),
            'title' => __('Thumbnail of a web page', 'thumbnail-service'),
            'show' => __('Show', 'thumbnail-service'),
            'default' => __('as the service does', 'thumbnail-service'),
            'yes' => __('yes', 'thumbnail-service'),
            'no' => __('no', 'thumbnail-service'),
        ],
    ];
}

const BLOCK_SCRIPT = <<<'JS'
function (wp, config) {
  const { createElement: el, useEffect, useState } = wp.element;
  const { Button, Disabled, PanelBody, Placeholder, SelectControl, TextControl, ToggleControl } = wp.components;
  const { InspectorControls, useBlockProps } = wp.blockEditor;
  const { words } = config;
  const label = name => words[name] || name;

  // A field is taken when it is left: each letter of a URL would be a capture.
  const Field = ({ name, value, onChange }) => {
    const [text, setText] = useState(value);
    useEffect(() => setText(value), [value]);
    return el(TextControl, { label: label(name), value: text, onChange: setText, onBlur: () => onChange(text.trim()) });
  };

  const Choice = ({ name, value, values, onChange }) => el(SelectControl, {
    label: label(name),
    value,
    onChange,
    options: [{ label: words.default, value: '' }].concat(values)
  });

  const control = (name, kind, value, onChange) => {
    const given = { key: name, name, value, onChange };
    if (name === 'link') return el(ToggleControl, { key: name, label: label(name), checked: value === 'true', onChange: on => onChange(on ? 'true' : '') });
    if (kind === true) return el(Choice, { ...given, values: [{ label: words.yes, value: 'true' }, { label: words.no, value: 'false' }] });
    if (kind) return el(Choice, { ...given, values: kind.map(each => ({ label: each, value: each })) });
    return el(Field, given);
  };

  const First = ({ onChange }) => {
    const [text, setText] = useState('');
    return el(Placeholder, { icon: 'format-image', label: words.title },
      el('form', { style: { alignItems: 'flex-end', gap: '8px' }, onSubmit: event => { event.preventDefault(); onChange(text.trim()); } },
        el(TextControl, { label: words.url, type: 'url', value: text, onChange: setText, __nextHasNoMarginBottom: true }),
        el(Button, { variant: 'primary', type: 'submit' }, words.show)));
  };

  const edit = ({ attributes, setAttributes }) => {
    const set = name => value => setAttributes({ [name]: value });
    const controls = fields => Object.entries(fields).map(([name, kind]) => control(name, kind, attributes[name], set(name)));
    return el('div', useBlockProps(),
      el(InspectorControls, null,
        el(PanelBody, { title: words.picture }, controls(config.fields)),
        el(PanelBody, { title: words.capture, initialOpen: false }, controls(config.capture))),
      attributes.url
        ? el(Disabled, null, el(wp.serverSideRender, { block: config.name, attributes, httpMethod: 'POST' }))
        : el(First, { onChange: set('url') }));
  };

  wp.blocks.registerBlockType(config.name, { edit, save: () => null });
}
JS;

// The settings page

function add_settings_page(): void
{
    $title = __('Thumbnail Service', 'thumbnail-service');
    add_options_page($title, $title, 'manage_options', SETTINGS, __NAMESPACE__ . '\\show_settings');
}

function register_settings(): void
{
    register_setting(SETTINGS, SETTINGS, ['type' => 'array', 'default' => DEFAULTS, 'sanitize_callback' => __NAMESPACE__ . '\\sanitize']);
    add_settings_section('service', '', '__return_null', SETTINGS);
    $fields = [
        'service_url' => [__('Address of the service', 'thumbnail-service'), __('Such as https://thumbs.example.com. Browsers of visitors and this server must both reach it.', 'thumbnail-service')],
        'signing_key' => [__('Signing key', 'thumbnail-service'), __('One of the SIGNING_KEYS of the service, if it has any. Addresses of pictures are signed with it.', 'thumbnail-service')],
        'api_key' => [__('API key', 'thumbnail-service'), __('The secret of one of the API_KEYS of the service, without its name. “Generate thumbnail” sends it.', 'thumbnail-service')],
        'default_width' => [__('Default width', 'thumbnail-service'), __('In pixels, of a picture without width and height.', 'thumbnail-service')],
    ];
    foreach ($fields as $name => [$title, $hint]) {
        $id = "thumbnail-service-$name";
        add_settings_field($name, $title, __NAMESPACE__ . '\\show_field', SETTINGS, 'service', ['label_for' => $id, 'name' => $name, 'hint' => $hint]);
    }
}

function show_settings(): void
{
    if (!current_user_can('manage_options')) {
        return;
    }
    ?>
    <div class="wrap">
        <h1><?php echo esc_html(get_admin_page_title()); ?></h1>
        <form action="options.php" method="post">
            <?php settings_fields(SETTINGS); ?>
            <?php do_settings_sections(SETTINGS); ?>
            <?php submit_button(); ?>
        </form>
    </div>
    <?php
}

/** Show a field. A key that is stored never leaves the server again: an empty field keeps it. */
function show_field(array $field): void
{
    ['name' => $name, 'label_for' => $id, 'hint' => $hint] = $field;
    $value = (string) settings()[$name];
    $secret = in_array($name, ['signing_key', 'api_key'], true);
    $types = ['service_url' => 'url', 'default_width' => 'number'];
    printf(
        '<input id="%s" name="%s" type="%s" class="%s" value="%s" placeholder="%s" autocomplete="off">',
        esc_attr($id),
        esc_attr(SETTINGS . "[$name]"),
        esc_attr($secret ? 'password' : $types[$name]),
        $name === 'default_width' ? 'small-text' : 'regular-text',
        esc_attr($secret ? '' : $value),
        esc_attr($secret && $value !== '' ? __('stored; leave empty to keep it', 'thumbnail-service') : '')
    );
    if ($secret && $value !== '') {
        printf(' <label><input type="checkbox" name="%s" value="1"> %s</label>', esc_attr(SETTINGS . "[forget_$name]"), esc_html__('Remove', 'thumbnail-service'));
    }
    printf('<p class="description">%s</p>', esc_html($hint));
}

/** Return settings that can be stored. What is wrong keeps its former value, and the page says so. */
function sanitize($given): array
{
    $given = is_array($given) ? array_filter($given, 'is_scalar') : [];
    $stored = settings();
    $service = rtrim(trim((string) ($given['service_url'] ?? '')), '/');
    if ($service !== '' && !preg_match('~^https?://[^\s/?#@\\\\<>"\']+(/[^\s?#\\\\<>"\']*)?$~i', $service)) {
        add_settings_error(SETTINGS, 'service_url', __('Address of the service: must begin with http:// or https://, and have neither a user nor a query.', 'thumbnail-service'));
        $service = $stored['service_url'];
    }
    $keys = [];
    foreach (['signing_key' => __('Signing key', 'thumbnail-service'), 'api_key' => __('API key', 'thumbnail-service')] as $name => $title) {
        $keys[$name] = trim((string) ($given[$name] ?? '')) ?: (empty($given["forget_$name"]) ? $stored[$name] : '');
        // Line breaks would add a header to the request.
        if (preg_match('/[^\x21-\x7e]/', $keys[$name])) {
            /* translators: %s: label of a field */
            add_settings_error(SETTINGS, $name, sprintf(__('%s: must have printable ASCII characters without blanks.', 'thumbnail-service'), $title));
            $keys[$name] = $stored[$name];
        }
    }
    $width = (int) ($given['default_width'] ?? 0);
    if ($width < FEWEST_PIXELS || $width > MOST_PIXELS) {
        /* translators: 1 and 2: numbers of pixels */
        add_settings_error(SETTINGS, 'default_width', sprintf(__('Default width: must be from %1$d to %2$d pixels.', 'thumbnail-service'), FEWEST_PIXELS, MOST_PIXELS));
        $width = (int) $stored['default_width'];
    }
    return ['service_url' => $service, 'default_width' => $width] + $keys;
}
